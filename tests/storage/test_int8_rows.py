"""Weights of 8 bits: a quarter of the size, and no weight moves by more than half a step of its row."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import bpe
import numpy_transformer as nt
from numpy_transformer.commands.export_model import export
from numpy_transformer.data.batching import padded
from numpy_transformer.errors import InputError
from numpy_transformer.storage.int8_rows import from_int8, quantise_rows, restore_rows, to_int8
from numpy_transformer.storage.tensors import load_tensors, save_tensors
from numpy_transformer.training.optimizer import Adam

LINES = ["the dog runs home", "a cat sees the dog", "we see a house", "the house sees us"]
FINITE = st.floats(-1e6, 1e6, width=32)
MATRICES = hnp.arrays("float32", hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=7), elements=FINITE)


@given(MATRICES)
def test_no_weight_moves_by_more_than_half_a_scale(weight):
    whole, scale = quantise_rows(weight)
    assert (whole.dtype, scale.dtype, whole.shape, scale.shape) == ("int8", "float32", weight.shape, weight.shape[:1])
    assert (np.abs(whole.astype(int)) <= 127).all()
    largest = np.abs(weight).max(axis=1, initial=0).astype("float64")
    # Beside the bound of the docstring, only float32's own rounding; scales below its smallest number become 0.
    bound = largest / 254 * (1 + 1e-4) + 127 * np.finfo("float32").smallest_subnormal
    assert (np.abs(restore_rows(whole, scale).astype("float64") - weight) <= bound[:, None]).all()


@given(MATRICES)
def test_what_is_stored_once_stays_as_it_is(weight):
    """Storing again moves nothing further than rounding does, and zeros, signs and each row's largest survive."""
    whole, scale = quantise_rows(weight)
    again, _ = quantise_rows(restore_rows(whole, scale))
    normal = scale > np.finfo("float32").tiny  # subnormal scales have too few digits
    np.testing.assert_array_equal(again[normal], whole[normal])
    assert (whole[weight == 0] == 0).all()
    if weight.shape[1]:
        assert (np.abs(whole[normal]).max(axis=1, initial=0) == 127).all()


def test_the_scale_is_of_the_row():
    """A row of small numbers beside one of large numbers keeps its precision."""
    weight = np.array([[100.0, -50.0], [0.001, 0.0004]], dtype="float32")
    np.testing.assert_allclose(restore_rows(*quantise_rows(weight)), weight, rtol=0.01)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_only_finite_numbers(bad):
    with pytest.raises(InputError, match=r"^a\.weight: only finite numbers .*: train"):
        to_int8({"a.weight": np.array([[1.0, bad]])})


@pytest.mark.parametrize(
    "scale",
    [None, np.ones(3, "float32"), np.ones(2, "float64"), np.ones((2, 1), "float32")],
)
def test_whole_numbers_without_their_scales_are_refused(scale):
    tensors = {"w": np.ones((2, 2), "int8")} | ({} if scale is None else {"w.scale": scale})
    with pytest.raises(ValueError, match=r"w has no float32 w\.scale"):
        from_int8(tensors)


# --- A model ---


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As training leaves it: a model that has learned to repeat its source, its tokenizer, and some samples."""
    folder = tmp_path_factory.mktemp("runs") / "dogs"
    tokenizer = bpe.train(LINES * 4, vocabulary_size=280)
    config = nt.TransformerConfig.preset("tiny", vocabulary_size=len(tokenizer)).replace(
        encoder_layers=1, decoder_layers=1
    )
    model = nt.Transformer(config, seed=1)
    model.tokenizer_digest = tokenizer.digest
    ids = [np.array([*tokenizer.encode(line), config.eos_id]) for line in LINES]
    source = padded(ids, config.pad_id)
    target = np.insert(source, 0, config.bos_id, axis=1)
    adam = Adam.for_parameters(model.parameters.flat)
    for _ in range(50):
        _, gradients = model.loss_and_gradients(source, target)
        adam.update(model.parameters.flat, gradients.flat, rate=0.002)
    model.save(folder / "checkpoints" / "best.safetensors")
    tokenizer.save(folder / "tokenizer.json")
    config = {"options": {"data": "/secret/place/dogs.tsv", "source": "en", "target": "de"}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "samples.txt").write_text("step 1\nsource     a dog\n\ntest\nsource     a cat\nmodel      x\n\n")
    return folder


@pytest.fixture(scope="module")
def stored(run: Path) -> Path:
    out = run.parent / "small"
    export(nt.Translator.load(run), "int8", out, run=run)
    return out


def test_a_stored_model_is_a_model_folder(run, stored):
    """It translates, alone in its folder, and its weights are those of the run but for the rounding."""
    original, restored = nt.Translator.load(run).model, nt.Translator.load(stored).model
    assert restored.config == original.config
    assert restored.parameters.flat.dtype == "float32"
    for (name, before), (_, after) in zip(original.parameters.named(), restored.parameters.named(), strict=True):
        if before.ndim == 1:
            np.testing.assert_array_equal(after, before, err_msg=name)
        else:
            error = np.abs(after - before).max(axis=1)
            assert (error <= np.abs(before).max(axis=1) / 254 * (1 + 1e-4)).all(), name


def test_it_translates_as_before(run, stored):
    """The trained model still repeats every line, and is as sure of it."""
    original, restored = nt.Translator.load(run), nt.Translator.load(stored)
    assert restored.translate(LINES) == original.translate(LINES) == LINES
    pairs = [(line, line) for line in LINES]
    np.testing.assert_allclose(restored.score(pairs), original.score(pairs), atol=0.03)


def test_it_is_a_quarter_of_the_size(run, stored):
    small, full = stored / "model.safetensors", run / "checkpoints" / "best.safetensors"
    assert small.stat().st_size < 0.3 * full.stat().st_size


def test_nothing_of_the_place_of_the_training_is_stored(stored):
    """But the languages and the last samples are, for the page."""
    assert b"secret" not in b"".join(path.read_bytes() for path in stored.iterdir())
    config = json.loads((stored / "config.json").read_text(encoding="utf-8"))
    assert config["options"] == {"source": "en", "target": "de"}
    assert "a cat" in (stored / "samples.txt").read_text(encoding="utf-8")


def test_damage_is_noticed(stored, tmp_path):
    content = bytearray((stored / "model.safetensors").read_bytes())
    for place in (len(content) // 2, len(content) - 1):
        content[place] ^= 1
        (tmp_path / "model.safetensors").write_bytes(content)
        with pytest.raises(InputError, match="damaged"):
            nt.Transformer.load(tmp_path / "model.safetensors")
        content[place] ^= 1


def test_a_file_that_lacks_a_scale_is_refused_in_one_line(stored, tmp_path):
    tensors, metadata = load_tensors(stored / "model.safetensors")
    del tensors["embedding.weight.scale"]
    save_tensors(tmp_path / "x.safetensors", tensors, metadata)
    with pytest.raises(InputError, match=r"x\.safetensors: embedding\.weight has no .*scale"):
        nt.Transformer.load(tmp_path / "x.safetensors")
