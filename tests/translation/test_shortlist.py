"""The shortlist: what it lists, how its lexicon is learned, and that searches use its tokens only."""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_model import VOCABULARY, padded, random_sources, small_model

import bpe
import numpy_transformer as nt
from numpy_transformer.commands import learn_shortlist as program
from numpy_transformer.commands import translate
from numpy_transformer.decoding import beam_search, reference
from numpy_transformer.decoding.lexical_shortlist import Shortlist
from numpy_transformer.decoding.packed import PackedModel
from numpy_transformer.decoding.reference import plain_beam_search
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.translation import ibm_model_1
from numpy_transformer.translation.ibm_model_1 import learn_shortlist, model_one
from numpy_transformer.translation.translator import Translator

seeds = st.integers(0, 2**32 - 1)
norms = st.sampled_from(["post", "pre"])
SPECIAL = [0, 1, 2]


def random_shortlist(rng: np.random.Generator) -> Shortlist:
    """One word for each source word, and perhaps one for every sentence."""
    always = [*SPECIAL, *rng.integers(3, VOCABULARY, rng.integers(0, 2))]
    translations = rng.integers(3, VOCABULARY, (VOCABULARY, 1))
    translations[:3] = 2
    return Shortlist(np.unique(always), translations)


# --- Searching ---


@given(seed=seeds, norm=norms, beam=st.integers(1, 5))
def test_a_list_of_all_tokens_changes_nothing(seed, norm, beam):
    model = small_model(seed, norm)
    source = padded(random_sources(np.random.default_rng(seed), 3))
    options = {"limits": np.full(3, 6), "beam": beam, "alpha": 0.6, "n_best": beam}
    whole = Shortlist(np.arange(VOCABULARY), np.full((VOCABULARY, 1), 2))
    assert beam_search(model, source, shortlist=whole, **options) == beam_search(model, source, **options)


@given(seed=seeds, norm=norms, beam=st.integers(1, 6), rows=st.integers(1, 4))
def test_a_search_with_a_shortlist_is_one_of_a_smaller_vocabulary(seed, norm, beam, rows):
    """Equal to a plain search of one sentence over the listed tokens only, whatever else is in the batch."""
    rng = np.random.default_rng(seed)
    model, shortlist = small_model(seed, norm), random_shortlist(rng)
    sources = random_sources(rng, 4)
    found = beam_search(
        PackedModel(model),
        padded(sources, extra=1),
        limits=np.full(4, 4),
        beam=beam,
        alpha=0.6,
        n_best=beam,
        rows=rows,
        shortlist=shortlist,
    )
    whole = reference.next_log_probabilities
    for source, results in zip(sources, found, strict=True):
        listed = {*shortlist.always.tolist(), *source, *shortlist.translations[source].ravel().tolist()}
        unlisted = [token for token in range(VOCABULARY) if token not in listed]

        def among_the_listed(*arguments, unlisted=unlisted):
            log_probabilities = whole(*arguments)
            log_probabilities[unlisted] = -np.inf
            return log_probabilities - np.log(np.exp(log_probabilities).sum())

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reference, "next_log_probabilities", among_the_listed)
            expected = plain_beam_search(model, source, limit=4, beam=beam, alpha=0.6, n_best=beam)
        expected = [(score, ids) for score, ids in expected if score > -np.inf]
        assert [result.ids for result in results] == [ids for _, ids in expected]
        assert [result.score for result in results] == pytest.approx([score for score, _ in expected], abs=1e-9)


def test_an_output_bias_is_listed_as_well():
    config = nt.TransformerConfig(
        vocabulary_size=200, encoder_layers=1, decoder_layers=1, d_model=64, d_ff=64, heads=2, output_bias=True
    )
    model = nt.Transformer(config, seed=0)
    model.parameters.tree.output_bias[...] = np.random.default_rng(0).normal(size=200)
    shortlist = Shortlist(np.array([0, 1, 2, *range(3, 120)]), np.full((200, 1), 2))
    for model_or_packed in (model, PackedModel(model)):
        [[found]] = beam_search(
            model_or_packed, np.array([[5, 9, 2]]), limits=np.array([8]), beam=1, alpha=0, shortlist=shortlist
        )
        ids: list[int] = []
        while len(ids) < 8 and ids[-1:] != [2]:
            logits = model.logits(np.array([[5, 9, 2]]), np.array([[1, *ids]]))[0, -1]
            ids.append(2 + int(logits[2:120].argmax()))
        assert found.ids == [token for token in ids if token != 2]


# --- Learning ---


def plain_model_one(pairs, rounds):
    """As the docstring says it: p[s][t], by dictionaries."""
    p = defaultdict(lambda: 1.0)
    for _ in range(rounds):
        counts = defaultdict(float)
        for source, target in pairs:
            for t in target:
                total = sum(p[s, t] for s in source)
                for s in source:
                    counts[s, t] += p[s, t] / total
        of_source = defaultdict(float)
        for (s, _), count in counts.items():
            of_source[s] += count
        p = {(s, t): count / of_source[s] for (s, t), count in counts.items()}
    return p


sentences = st.lists(st.integers(3, 9), max_size=5)


@given(pairs=st.lists(st.tuples(sentences, sentences), max_size=6), rounds=st.integers(1, 4))
def test_model_one_is_that_of_the_paper(pairs, rounds):
    sources, targets = [s for s, _ in pairs], [t for _, t in pairs]
    source, target, probability = model_one(sources, targets, vocabulary_size=10, rounds=rounds)
    expected = plain_model_one([(s, t) for s, t in pairs if s and t], rounds)
    found = dict(zip(zip(source.tolist(), target.tolist(), strict=True), probability, strict=True))
    assert found.keys() == expected.keys()
    for couple, value in expected.items():
        assert found[couple] == pytest.approx(value, abs=1e-12)


def test_a_dictionary_is_learned_from_sentences():
    """Word s is always translated as s + 20, in any order, among others."""
    rng = np.random.default_rng(0)
    sources = [rng.choice(np.arange(3, 20), 5, replace=False).tolist() for _ in range(300)]
    targets = [[word + 20 for word in rng.permutation(source).tolist()] for source in sources]
    shortlist = learn_shortlist(sources, targets, vocabulary_size=50, special=SPECIAL, frequent=0, translations=1)
    np.testing.assert_array_equal(shortlist.translations[3:20, 0], np.arange(23, 40))
    np.testing.assert_array_equal(shortlist.always, SPECIAL)
    assert set(shortlist.translations[:3].ravel()) | set(shortlist.translations[20:].ravel()) == {0}  # never seen


def test_frequent_tokens_and_the_source_itself_are_listed():
    sources, targets = [[5], [5], [6]], [[7, 7], [7, 8], [8]]
    shortlist = learn_shortlist(sources, targets, vocabulary_size=12, special=SPECIAL, frequent=1, translations=2)
    listed = shortlist.listed(np.array([[6, 9, 2], [5, 2, 0]]))
    assert np.flatnonzero(listed[0]).tolist() == [0, 1, 2, 6, 7, 8, 9]
    assert np.flatnonzero(listed[1]).tolist() == [0, 1, 2, 5, 7, 8]


def test_of_a_large_text_some_pairs_are_enough(monkeypatch):
    monkeypatch.setattr(ibm_model_1, "MOST_LINKS", 50)
    source, *_ = model_one([[3], [4]] * 50, [[5], [6]] * 50, vocabulary_size=7)
    assert set(source.tolist()) == {3}  # every second pair


# --- The programs ---

LINES = [
    (f"{one} {two}", f"{two[::-1]} {one[::-1]}") for one in ("red", "blue", "old") for two in ("dog", "cat", "cow")
]


@pytest.fixture
def run_folder(tmp_path: Path) -> RunFolder:
    """A run with a random model and its text."""
    text = tmp_path / "text.tsv"
    text.write_text("".join(f"{source}\t{target}\n" for source, target in LINES * 3), encoding="utf-8")
    folder = RunFolder(tmp_path / "run")
    tokenizer = bpe.train([word for pair in LINES for word in pair], vocabulary_size=275)
    config = nt.TransformerConfig(
        vocabulary_size=len(tokenizer), encoder_layers=1, decoder_layers=1, d_model=16, d_ff=24, heads=2
    )
    folder.checkpoints.mkdir(parents=True)
    nt.Transformer(config, seed=0).save(folder.best_file)
    tokenizer.save(folder.tokenizer_file)
    folder.write_config(TrainingOptions(data=str(text), validation=str(text)), config)
    return folder


def run_translate(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["translate.py", *map(str, arguments)])
    status = translate.main()
    return status, *capsys.readouterr()


def test_a_run_learns_its_shortlist_and_translates_with_it(run_folder, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["shortlist", str(run_folder.path), "--frequent", "0", "--translations", "3"])
    program.main()
    assert "--shortlist" in capsys.readouterr().err
    shortlist = Shortlist.load(run_folder.shortlist_file, tokenizer=run_folder.read_tokenizer().digest)
    translator = Translator.load(run_folder.path)
    texts = ["red dog", "old cow", "blue cat"]
    whole = {beam: translator.hypotheses(texts, beam=beam) for beam in (1, 4)}
    translator = Translator.load(run_folder.best_file, shortlist=True)  # named by one of its checkpoints
    for beam in (1, 4):
        found = translator.hypotheses(texts, beam=beam)
        for text, [best] in zip(texts, found, strict=True):
            source = [*translator.tokenizer.encode(text), 2]
            assert shortlist.listed(np.array([source]))[0, best.ids].all()
        assert found != whole[beam]  # a random model says what no translation would
        status, out, _ = run_translate(
            monkeypatch, capsys, "--model", run_folder.path, "--shortlist", "--beam", beam, *texts
        )
        assert (status, out.split("\n")[:-1]) == (0, [best.text.replace("\n", " ") for [best] in found])


def test_what_a_shortlist_is_not_for_is_said(run_folder, monkeypatch, capsys):
    model = run_folder.path

    def complaint(*arguments: object) -> str:
        status, out, err = run_translate(monkeypatch, capsys, "--model", model, "--shortlist", *arguments)
        assert (status, out, err.count("\n")) == (2, "", 1)
        return err

    assert f"numpy_transformer.shortlist {model}" in complaint("red dog")
    program.learn_for_run(model)
    for arguments in (("--sample",), ("--ban", "x"), ("--max-length", 5)):
        assert "beam search" in complaint(*arguments, "red dog")
    assert "--score" in complaint("--score", "red\tdog")
    assert "single model" in complaint("--model", model, "red dog")
    run_folder.shortlist_file.write_bytes(run_folder.shortlist_file.read_bytes()[:-1])
    assert "damaged" in complaint("red dog")
    program.learn_for_run(model)
    bpe.train(["another text " * 9], vocabulary_size=262).save(run_folder.tokenizer_file)
    assert "tokenizer" in complaint("red dog")


@pytest.mark.parametrize("options", [{"frequent": -1}, {"translations": 0}])
def test_impossible_sizes_are_refused(run_folder, options):
    with pytest.raises(nt.InputError, match=next(iter(options))):
        program.learn_for_run(run_folder.path, **options)
