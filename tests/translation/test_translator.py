"""class Translator: from text to text, whatever the batch; run folders."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bpe
import numpy_transformer as nt
from numpy_transformer.decoding import Decoded, Sampling, greedy_search
from numpy_transformer.translation.hypothesis import Hypothesis
from numpy_transformer.translation.text_errors import LONGEST_SOURCE, OverlongError
from numpy_transformer.translation.translator import Translator

LINES = ["the dog runs home", "a cat sees the dog", "we see a house", "the house sees us", "dogs run"] * 4


@pytest.fixture(scope="module")
def tokenizer() -> bpe.Tokenizer:
    return bpe.train(LINES, vocabulary_size=275)


def test_half_a_surrogate_pair_does_not_leave_the_translator(translator: Translator):
    """A model may write any bytes; ED A0 80 stands for a lone surrogate, which no file or terminal accepts."""
    ids_of = {text: i for i, text in translator.tokenizer.vocabulary.items() if i > 2}
    decoded = Decoded([ids_of[bytes([byte])] for byte in b"a\xed\xa0\x80"], -1.0, -1.0)
    assert translator._hypothesis(decoded).text == "a?"


def random_model(tokenizer: bpe.Tokenizer, seed: int = 0, **changes: object) -> nt.Transformer:
    """A model that ends its sentences now and then."""
    config = nt.TransformerConfig(
        vocabulary_size=len(tokenizer), encoder_layers=1, decoder_layers=2, d_model=16, d_ff=24, heads=2
    )
    model = nt.Transformer(config.replace(**changes), seed=seed)
    model.parameters.flat[...] += np.random.default_rng(seed).normal(size=model.parameters.flat.shape) * 0.3
    model.parameters.tree.embedding.weight[2] *= 1.5
    return model


@pytest.fixture(scope="module")
def translator(tokenizer: bpe.Tokenizer) -> Translator:
    return Translator(random_model(tokenizer), tokenizer)


texts = st.lists(st.one_of(st.sampled_from([*LINES[:5], "", "  ", "\t"]), st.text(max_size=12)), min_size=1, max_size=8)


@given(texts=texts, batch_tokens=st.sampled_from([1, 20, 60, 2048]), data=st.data())
@settings(max_examples=25)
def test_a_translation_depends_on_its_sentence_alone(translator, texts, batch_tokens, data):
    """It does not depend on other sentences, their order or the batch size; scores agree to 1e-5 in float32."""
    order = data.draw(st.permutations(range(len(texts))))
    options = data.draw(
        st.sampled_from([{"beam": 3, "n_best": 2}, {"beam": 1}, {"sampling": Sampling(seed=4), "n_best": 2}])
    )
    found = translator.hypotheses([texts[i] for i in order], batch_tokens=batch_tokens, **options)
    for i, hypotheses in zip(order, found, strict=True):
        [alone] = translator.hypotheses([texts[i]], **options)
        assert [one.ids for one in hypotheses] == [one.ids for one in alone]
        for one, other in zip(hypotheses, alone, strict=True):
            assert one.score == pytest.approx(other.score, abs=1e-5, rel=1e-5)


def test_translate_gives_the_best_hypothesis_of_each_text_in_order(translator):
    found = translator.hypotheses(LINES[:5], beam=3, alpha=0.6, n_best=3)
    assert translator.translate(LINES[:5], beam=3, alpha=0.6) == [best.text for best, *_ in found]
    for hypotheses in found:
        assert hypotheses == sorted(hypotheses, key=lambda one: -one.score)
        for one in hypotheses:
            assert one.text == translator.tokenizer.decode(one.ids)


def test_the_source_is_its_tokens_and_eos(translator, tokenizer):
    """As in training."""
    ids = tokenizer.encode("a cat sees us")
    [[expected]] = greedy_search(translator.model, np.array([[*ids, 2]]), limits=np.array([len(ids) + 50]))
    [[found]] = translator.hypotheses(["a cat sees us"], beam=1)
    assert found.ids == expected.ids


def test_a_translation_is_at_most_fifty_tokens_longer_than_its_source(tokenizer):
    model = random_model(tokenizer)
    model.parameters.tree.embedding.weight[2] = 0  # eos is never likely
    [[one]] = Translator(model, tokenizer).hypotheses(["the dog"], beam=1)
    assert len(one.ids) == len(tokenizer.encode("the dog")) + 50


@pytest.mark.parametrize("options", [{}, {"beam": 1}, {"sampling": Sampling(), "n_best": 3}])
def test_blank_texts_stay_blank(translator, options):
    empty = [Hypothesis("", [], 0.0, 0.0)]
    found = translator.hypotheses(["", "the dog", " \t ", "\u2003"], **options)
    assert found[0] == found[2] == found[3] == empty
    assert found[1] != empty
    assert translator.translate([]) == []
    assert translator.translate(["", " "]) == ["", ""]


@pytest.mark.parametrize("around", ["{}", " {}", "{}\n", "\ufeff{}", "\r\n\t{} \r\n", "\u00a0{}\u2028", "\ufeff {}"])
@pytest.mark.parametrize("options", [{}, {"beam": 1}, {"sampling": Sampling(seed=1)}])
def test_what_surrounds_a_text_changes_nothing(translator, around, options):
    """White space, line ends and byte order marks at its edges, as in training."""
    bare = "the house sees us"
    text = around.format(bare)
    [found], [expected] = (translator.hypotheses([one], **options) for one in (text, bare))
    assert found == expected
    assert translator.score([(text, around.format("a cat"))]) == translator.score([(bare, "a cat")])
    assert translator.align([text], [found[0].ids]) == translator.align([bare], [found[0].ids])
    maps, expected_maps = (translator.attention(one, found[0].ids) for one in (text, bare))
    assert maps.source == expected_maps.source


@pytest.mark.parametrize("inside", ["the ho\u0308use", "u\ufeffs"])
def test_letters_mean_the_same_composed_or_not_and_with_marks_between(translator, inside):
    outside = {"the ho\u0308use": "the höuse", "u\ufeffs": "us"}[inside]
    assert translator.hypotheses([inside]) == translator.hypotheses([outside])
    assert translator.score([("we", inside)]) == translator.score([("we", outside)])


def test_ids_are_scored_and_aligned_as_the_search_found_them(translator):
    """Even where the tokenizer would write the same text with other tokens."""
    found = translator.hypotheses(LINES[:5], beam=4, n_best=4)
    pairs = [(line, one) for line, hypotheses in zip(LINES, found, strict=False) for one in hypotheses]
    assert any(translator.tokenizer.encode(one.text) != one.ids for _, one in pairs)
    scores = translator.score([(line, one.ids) for line, one in pairs])
    assert scores == pytest.approx([one.log_probability for _, one in pairs], abs=1e-4)
    texts = [one.text for _, one in pairs]
    by_text = translator.score([(line, text) for (line, _), text in zip(pairs, texts, strict=True)])
    by_ids = translator.score(
        [(line, translator.tokenizer.encode(text.strip())) for (line, _), text in zip(pairs, texts, strict=True)]
    )
    assert by_text == by_ids
    ids = translator.tokenizer.encode("a cat")
    assert translator.align(["the dog"], ["a cat"]) == translator.align(["the dog"], [ids])


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["ab"], "line 1 is no pair"),
        ([("the dog", "a cat"), ("the dog",)], "line 2 is no pair"),
        ([("the dog", 5)], "a translation is a int; give its token ids"),
        ([("the dog", [1.5])], "there is no token 1.5"),
        ([("the dog", ["a"])], "there is no token a"),
        ([(5, "the dog")], "line 1 is a int, not a str"),
    ],
)
def test_what_cannot_be_scored_is_said(translator, pairs, message):
    with pytest.raises(nt.InputError, match=message):
        translator.score(pairs)


def test_overlong_texts_are_refused_with_their_number(translator):
    assert len(translator.translate(["x" * LONGEST_SOURCE], beam=1)) == 1
    with pytest.raises(OverlongError, match=r"line 3 has 1,001 tokens, more than 1,000: split it") as caught:
        translator.translate(["the dog", "", "x" * (LONGEST_SOURCE + 1)])
    assert caught.value.number == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 0}, "beam is 0; it must be a whole number of at least 1"),
        ({"beam": 2.5}, "beam is 2.5; it must be a whole number"),
        ({"alpha": -0.1}, "alpha is -0.1; it must be at least 0"),
        ({"alpha": float("nan")}, "alpha is nan"),
        ({"n_best": 0}, "n-best is 0"),
        ({"n_best": 5}, r"n-best is 5; it must be at most the beam \(4\)"),
        ({"batch_tokens": 0}, "batch-tokens is 0"),
    ],
)
def test_impossible_options_are_refused(translator, options, message):
    with pytest.raises(nt.InputError, match=message):
        translator.hypotheses(["the dog"], **options)


def test_a_single_str_is_refused(translator):
    with pytest.raises(nt.InputError, match="list"):
        translator.translate("the dog")


@pytest.mark.parametrize("name", ["banned", "required"])
def test_a_single_term_is_refused_rather_than_taken_letter_by_letter(name):
    with pytest.raises(nt.InputError, match=f"{name} is a str; give a tuple of texts"):
        nt.Constraints(**{name: "Hund"})


@pytest.mark.parametrize("other", [None, b"the dog", 5])
def test_what_is_no_text_is_refused_with_its_number(translator, other):
    with pytest.raises(nt.InputError, match=rf"line 2 is a {type(other).__name__}, not a str"):
        translator.translate(["the dog", other])


def test_translations_that_do_not_fit_are_refused(translator):
    with pytest.raises(nt.InputError, match="there are 2 texts and 1 translations"):
        translator.align(["the dog", "a cat"], [[9]])
    for unknown in (-1, 10**6):
        with pytest.raises(nt.InputError, match=f"there is no token {unknown}"):
            translator.align(["the dog"], [[9, unknown]])
        with pytest.raises(nt.InputError, match=f"there is no token {unknown}"):
            translator.attention("the dog", [9, unknown])


def test_any_iterable_of_texts_will_do(translator):
    texts = ["the dog", "", "a cat sees the dog"]
    assert translator.translate(text for text in texts) == translator.translate(texts)
    pairs = [("the dog", "der Hund"), ("a cat", "eine Katze")]
    assert translator.score(pair for pair in pairs) == translator.score(pairs)


def test_a_tokenizer_of_another_model_is_refused(tokenizer):
    model = random_model(tokenizer)
    with pytest.raises(nt.InputError, match=r"has \d+ tokens, the model"):
        Translator(model, bpe.train(LINES, vocabulary_size=260))
    with pytest.raises(nt.InputError, match="no special tokens"):
        Translator(model, bpe.Tokenizer(tokenizer.merges, special_tokens=["<x>"], protected_terms=["qq", "rr"]))


# --- Loading ---


@pytest.fixture
def run(tokenizer: bpe.Tokenizer, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    tokenizer.save(folder / "tokenizer.json")
    for seed, name in enumerate(["averaged", "best", "step-00000200", "step-00000100"]):
        random_model(tokenizer, seed).save(folder / "checkpoints" / f"{name}.safetensors")
    return folder


def test_a_run_gives_its_averaged_checkpoint_or_else_the_best_or_else_the_newest(run, tokenizer):
    for seed, name in enumerate(["averaged", "best", "step-00000200", "step-00000100"]):
        expected = random_model(tokenizer, seed).parameters.flat
        np.testing.assert_array_equal(Translator.load(run).model.parameters.flat, expected)
        (run / "checkpoints" / f"{name}.safetensors").unlink()
    with pytest.raises(nt.InputError, match="holds no checkpoint"):
        Translator.load(run)


def test_another_tokenizer_than_the_models_own_is_refused(run, tokenizer):
    """Of the same size, so that translating with it would work but give nonsense."""
    model = random_model(tokenizer, 0)
    model.tokenizer_digest = tokenizer.digest
    model.save(run / "checkpoints" / "averaged.safetensors")
    assert Translator.load(run).model.tokenizer_digest == tokenizer.digest
    other = bpe.Tokenizer([*tokenizer.merges[:-2], *tokenizer.merges[:-3:-1]], special_tokens=tokenizer.special_tokens)
    assert len(other) == len(tokenizer)
    other.save(run / "tokenizer.json")
    with pytest.raises(nt.InputError, match=r"tokenizer.json: the model was trained with another tokenizer"):
        Translator.load(run)


def test_a_checkpoint_file_finds_its_tokenizer_beside_it_or_above(run, tmp_path, translator):
    checkpoint = run / "checkpoints" / "averaged.safetensors"
    assert Translator.load(checkpoint).translate(LINES[:2]) == translator.translate(LINES[:2])
    alone = tmp_path / "a" / "alone"
    alone.mkdir(parents=True)
    shutil.copy(checkpoint, alone)
    with pytest.raises(nt.InputError, match=r"averaged.safetensors: no tokenizer.json"):
        Translator.load(alone / "averaged.safetensors")
    shutil.copy(run / "tokenizer.json", alone)
    assert Translator.load(alone / "averaged.safetensors").translate(LINES[:2]) == translator.translate(LINES[:2])


def test_what_cannot_be_loaded_is_named(run, tmp_path):
    with pytest.raises(nt.InputError, match="nowhere: no such run folder or checkpoint"):
        Translator.load(tmp_path / "nowhere")
    with pytest.raises(nt.InputError, match=r"tokenizer.json"):
        Translator.load(run / "tokenizer.json")
    checkpoint = run / "checkpoints" / "averaged.safetensors"
    content = bytearray(checkpoint.read_bytes())
    content[-1] ^= 1
    checkpoint.write_bytes(content)
    with pytest.raises(nt.InputError, match=r"averaged.safetensors: is damaged"):
        Translator.load(run)
    checkpoint.unlink()
    (run / "tokenizer.json").write_text("{}")
    with pytest.raises(bpe.TokenizerError, match=r"tokenizer.json"):
        Translator.load(run)


def test_a_blank_text_has_no_attention(translator):
    with pytest.raises(nt.InputError, match="blank"):
        translator.attention(" ", [5])
