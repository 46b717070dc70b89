"""Going on from a trained model: what is taken over, what is refused, what stays frozen, what it gains."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_run import numbers_in_words, write_corpus

import bpe
import numpy_transformer as nt
from numpy_transformer.commands import train
from numpy_transformer.data.batching import EncodedText, training_batches
from numpy_transformer.errors import InputError
from numpy_transformer.formats.marian_tokenizer import MarianTokenizer
from numpy_transformer.formats.wordpiece import SPECIAL, WordPieceTokenizer
from numpy_transformer.storage.tensors import load_tensors
from numpy_transformer.training import starting_point
from numpy_transformer.training.freezing import frozen_slices
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.parallel import Workers
from numpy_transformer.training.starting_point import load_base, size_of


@pytest.fixture
def run(tmp_path: Path, monkeypatch, capsys):
    """Runs train.py in a folder: arguments -> status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["train.py", *map(str, arguments)])
        return train.main(), *capsys.readouterr()

    return run


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A run folder with a model of no preset's size that has learned the numbers a little."""
    lines = numbers_in_words(60)
    pairs = [line.split("\t") for line in lines]
    tokenizer = bpe.train([text for pair in pairs for text in pair], vocabulary_size=280)
    config = nt.TransformerConfig(
        vocabulary_size=len(tokenizer), encoder_layers=1, decoder_layers=1, d_model=32, d_ff=48, heads=2, dropout=0.15
    )
    model = nt.Transformer(config, seed=4)
    model.tokenizer_digest = tokenizer.digest
    sides = [tokenizer.encode_batch([pair[side] for pair in pairs]) for side in (0, 1)]
    adam = Adam.for_parameters(model.parameters.flat)
    batches = training_batches(EncodedText.from_ids(*sides, config), 400, pad_id=config.pad_id, seed=0)
    for _, (_, batch) in zip(range(60), batches, strict=False):
        _, gradients = model.loss_and_gradients(batch.source, batch.target)
        adam.update(model.parameters.flat, gradients.flat, rate=0.01)
    model.save(tmp_path / "base" / "checkpoints" / "best.safetensors")
    tokenizer.save(tmp_path / "base" / "tokenizer.json")
    return tmp_path / "base"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus", numbers_in_words(100, seed=3))


BRIEF = ["--batch-tokens", 200, "--evaluate-every", 5, "--workers", 1]


def test_a_run_goes_on_from_a_model(run, base, corpus):
    """Before the first step it is that model; afterwards it is a better one, and says by how much."""
    status, out, err = run(
        "--from", base, "--data", corpus, "--steps", 30, "--rate-scale", 0.3, "--run", "mine", *BRIEF
    )
    assert (status, err) == (0, "")
    assert f"going on from {base}" in out
    records = [json.loads(line) for line in Path("mine/log.jsonl").read_text().splitlines()]
    [before], [after] = ([r for r in records if r["kind"] == kind] for kind in ("base", "test"))
    test = [line.split("\t") for line in numbers_in_words(100, seed=3)[90:]]
    translations = nt.Translator.load(base).translate([source for source, _ in test])
    assert before["exact"] == np.mean([a == b for a, (_, b) in zip(translations, test, strict=True)])
    assert f"BLEU {before['bleu']:.2f} -> {after['bleu']:.2f}, chrF {before['chrf']:.2f} -> {after['chrf']:.2f}" in out
    losses = [r["loss"] for r in records if r["kind"] == "evaluation"]
    assert losses[-1] < losses[0]

    # What was taken over: vocabulary, sizes, dropout.
    config, mine = nt.Translator.load(base).model.config, nt.Translator.load("mine")
    assert mine.model.config == config
    assert bpe.Tokenizer.load("mine/tokenizer.json").digest == bpe.Tokenizer.load(base / "tokenizer.json").digest
    options = json.loads(Path("mine/config.json").read_text())["options"]
    assert options["dropout"] == 0.15
    assert options["vocabulary"] == config.vocabulary_size


def test_step_0_is_the_model_itself(run, base, corpus, monkeypatch):
    """With a rate of nearly nothing, the result is the model, bit for bit near."""
    assert run("--from", base, "--data", corpus, "--steps", 1, "--rate-scale", 1e-12, "--run", "mine", *BRIEF)[0] == 0
    before, after = (nt.Translator.load(path).model.parameters.flat for path in (base, "mine"))
    np.testing.assert_allclose(after, before, atol=1e-7)


def test_stopped_and_resumed_it_is_the_same(run, base, corpus):
    options = ["--from", base, "--data", corpus, *BRIEF]
    assert run(*options, "--steps", 12, "--run", "whole")[0] == 0
    assert run(*options, "--steps", 5, "--run", "parts")[0] == 0
    status, out, _ = run("--resume", "--run", "parts", "--steps", 12)
    assert status == 0
    assert "fine-tuning: test BLEU" in out
    whole, parts = (load_tensors(f"{name}/checkpoints/training.safetensors")[0] for name in ("whole", "parts"))
    for name, values in whole.items():
        np.testing.assert_array_equal(values, parts[name], err_msg=name)
    status, _, err = run("--resume", "--run", "parts", "--from", "elsewhere")
    assert (status, err.count("\n")) == (2, 1)
    assert "--from elsewhere differs from the run's own" in err


def test_a_run_stopped_before_its_first_state_begins_with_the_model(run, base, corpus):
    assert run("--from", base, "--data", corpus, "--steps", 1, "--rate-scale", 1e-12, "--run", "mine", *BRIEF)[0] == 0
    for path in Path("mine/checkpoints").iterdir():
        path.unlink()
    assert run("--resume", "--run", "mine")[0] == 0
    before, after = (nt.Translator.load(path).model.parameters.flat for path in (base, "mine"))
    np.testing.assert_allclose(after, before, atol=1e-7)


def test_a_model_of_8_bits_is_a_beginning(run, base, corpus, monkeypatch, tmp_path):
    """The shipped model is one, by its name."""
    from numpy_transformer.commands.export_model import export
    from numpy_transformer.storage import shipped

    monkeypatch.setattr(shipped, "SHIPPED", tmp_path / "package")
    (tmp_path / "package").mkdir()
    export(nt.Translator.load(base), "int8", tmp_path / "package" / "tatoeba")
    assert run("--from", "tatoeba", "--data", corpus, "--steps", 2, "--run", "mine", *BRIEF)[0] == 0


# --- Refused ---


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "tiny"], "--preset tiny: base is 1 + 1 layers of width 32 (48), which is taken over"),
        (["--vocabulary", "300"], "--vocabulary 300: base has 280 tokens, which are taken over"),
        (["--norm", "pre"], "--norm pre: base has --norm post, which is taken over"),
        (["--freeze", "encodr"], "--freeze encodr: the model has no such part; it has embedding, encoder, decoder"),
        (["--freeze", "embedding,encoder,decoder"], "--freeze leaves nothing to learn"),
        (["--from", "nowhere"], "nowhere: no such run folder or checkpoint"),
        (["--from", "base/checkpoints"], "holds no checkpoint"),
        (["--data", "empty.tsv"], "empty.tsv: is empty"),
    ],
)
def test_what_cannot_be_is_one_clear_line(run, base, corpus, arguments, message):
    Path("empty.tsv").touch()
    status, _, err = run("--from", "base", "--data", corpus, "--steps", 2, "--run", "mine", *arguments)
    assert (status, err.count("\n")) == (2, 1)
    assert message in err
    assert not Path("mine").exists()


def test_a_model_without_its_tokenizer_or_with_another_is_refused(run, base, corpus):
    bpe.train([line.upper() for line in numbers_in_words(60)], vocabulary_size=280).save(base / "tokenizer.json")
    assert "was trained with another tokenizer" in run("--from", "base", "--data", corpus, "--run", "mine")[2]
    (base / "tokenizer.json").unlink()
    assert "no tokenizer.json in its folder" in run("--from", "base", "--data", corpus, "--run", "mine")[2]


def test_options_come_from_a_file_too(base, tmp_path):
    from numpy_transformer.training.options import read_toml

    (tmp_path / "x.toml").write_text(f'from = "{base}"\nfreeze = "encoder"\n')
    given = read_toml(tmp_path / "x.toml")
    options = load_base(TrainingOptions.for_data(given), given).options
    assert (options.from_model, options.freeze, options.dropout) == (str(base), "encoder", 0.15)
    given["dropout"] = 0.0
    assert load_base(TrainingOptions.for_data(given), given).options.dropout == 0.0


def test_a_size_has_a_name():
    assert size_of(nt.TransformerConfig.preset("base", vocabulary_size=300)) == "base"


# --- Freezing ---


@pytest.mark.parametrize("workers", [1, 2])
def test_frozen_parts_keep_every_bit(base, workers):
    translator = nt.Translator.load(base)
    model, config = translator.model, translator.model.config
    before = {name: values.copy() for name, values in model.parameters.named()}
    names = ["encoder", "decoder.*.cross_attention", "*.bias"]
    lines = [line.split("\t") for line in numbers_in_words(20)]
    sides = [translator.tokenizer.encode_batch([pair[side] for pair in lines]) for side in (0, 1)]
    batch = EncodedText.from_ids(*sides, config).batch(np.arange(20), config.pad_id)
    adam = Adam.for_parameters(model.parameters.flat)
    with Workers(model, workers, frozen=frozen_slices(model.parameters, names)) as steps:
        for step in range(3):
            steps.step(adam, [batch, batch], rate=1e-2, seed=(step,), label_smoothing=0.1, clip=0.5)
    for name, values in model.parameters.named():
        frozen = name.startswith("encoder.") or ".cross_attention." in name or name.endswith(".bias")
        assert np.array_equal(values, before[name]) == frozen, name


@given(
    st.sets(
        st.sampled_from(["embedding", "encoder.0", "decoder.0.feed_forward.hidden", "decoder.0.*_norm"]), max_size=3
    )
)
def test_slices_are_the_parameters_that_are_named(names):
    config = nt.TransformerConfig.preset("tiny", vocabulary_size=20).replace(d_model=4, d_ff=6, heads=2)
    parameters = nt.Transformer(config, initialise=False).parameters
    for part in frozen_slices(parameters, sorted(names)):
        parameters.flat[part] += 1
    for path, values in parameters.named():
        expected = (
            (path.startswith("embedding") and "embedding" in names)
            or (path.startswith("encoder.0.") and "encoder.0" in names)
            or (path.startswith("decoder.0.feed_forward.hidden.") and "decoder.0.feed_forward.hidden" in names)
            or (path.startswith("decoder.0.") and "_norm." in path and "decoder.0.*_norm" in names)
        )
        assert (values == expected).all(), path


def test_a_part_is_no_mere_beginning_of_a_name():
    config = nt.TransformerConfig.preset("tiny", vocabulary_size=20)
    with pytest.raises(InputError, match="--freeze enc: the model has no such part"):
        frozen_slices(nt.Transformer(config, initialise=False).parameters, ["enc"])


# --- Models that begin with pad ---


def test_shards_keep_the_end_of_a_sentence_that_begins_with_pad():
    """In a Marian model bos is pad, so that real tokens cannot be counted."""
    config = nt.TransformerConfig(vocabulary_size=9, d_model=4, heads=2, pad_id=3, bos_id=3, eos_id=0)
    text = EncodedText.from_ids([[5, 6], [7]], [[5, 6, 7], [8]], config)
    batch = text.batch(np.arange(2), config.pad_id)
    first, second = batch.shards(2, config.pad_id)
    assert first.target.tolist() == [[3, 5, 6, 7, 0]]
    assert second.target.tolist() == [[3, 8, 0]]
    assert (first.token_count, second.token_count) == (4, 2)


def test_a_constant_start_has_no_gradient_by_its_lookup():
    """Every other gradient stays; the row of bos keeps only the part of the output projection."""
    sizes = {"vocabulary_size": 9, "d_model": 4, "d_ff": 6, "heads": 2, "encoder_layers": 1, "decoder_layers": 1}
    config = nt.TransformerConfig(**sizes, dropout=0.0)
    source, target = np.array([[5, 6, 2]]), np.array([[1, 5, 7, 2]])
    found = {}
    for constant in (False, True):
        model = nt.Transformer(config.replace(constant_start=constant), seed=1, dtype="float64")
        found[constant] = dict(model.loss_and_gradients(source, target)[1].named())
    lookups, rows = found[False]["embedding.weight"] - found[True]["embedding.weight"], np.arange(9)
    for name in found[True].keys() - {"embedding.weight"}:
        np.testing.assert_array_equal(found[True][name], found[False][name])
    assert not lookups[rows != config.bos_id].any()
    assert lookups[config.bos_id].all()


@pytest.mark.parametrize(
    ("kind", "model", "tokenizer", "name"),
    [
        (
            "encoder-decoder",
            nt.Transformer,
            MarianTokenizer({"<unk>": 1, "a": 3}, {"</s>": 2}, None, None),
            "SentencePiece",
        ),
        ("encoder", nt.Encoder, WordPieceTokenizer([*SPECIAL, "a"], lowercase=True), "WordPiece"),
    ],
)
def test_a_vocabulary_without_merges_is_refused_for_dropout_on_merges(monkeypatch, kind, model, tokenizer, name):
    config = nt.TransformerConfig.preset("tiny", vocabulary_size=10)
    monkeypatch.setitem(starting_point.OPENERS, kind, lambda name: (model(config), tokenizer))
    with pytest.raises(InputError, match=rf"--bpe-dropout 0\.1: folder has a {name} vocabulary, .*: leave"):
        load_base(TrainingOptions(model=kind, from_model="folder", bpe_dropout=0.1), {"bpe_dropout": 0.1})
    base = load_base(TrainingOptions(model=kind, from_model="folder", bpe_dropout=0.1), {})  # of a recipe: left out
    assert (base.tokenizer, base.options.bpe_dropout) == (tokenizer, 0)
