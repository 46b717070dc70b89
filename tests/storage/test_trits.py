"""Weights of three values in 1.6 bits: what is stored comes back bit for bit, and what is no trit is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import bpe
import numpy_transformer as nt
from numpy_transformer.commands import export_model
from numpy_transformer.commands.export_model import export
from numpy_transformer.errors import InputError
from numpy_transformer.storage.int8_rows import from_int8, to_int8
from numpy_transformer.storage.tensors import load_tensors, save_tensors
from numpy_transformer.storage.trits import from_trits, pack, scale_of, to_trits, unpack

LINES = ["the dog runs home", "a cat sees the dog", "we see a house", "the house sees us"]
TRITS = hnp.arrays("float32", st.integers(0, 23), elements=st.sampled_from([-1.0, 0.0, 1.0]))
SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=7)


@given(TRITS)
def test_five_trits_are_a_byte(trits):
    packed = pack(trits)
    assert (packed.dtype, len(packed)) == ("uint8", -(-len(trits) // 5))
    np.testing.assert_array_equal(unpack(packed, len(trits)), trits)


def test_by_hand():
    """-1 is the digit 0, 1 the digit 2; the last byte is filled up with zeros, the digit 1."""
    assert pack(np.array([-1, 0, 1, 1, -1, 1])).tolist() == [0 + 1 * 3 + 2 * 9 + 2 * 27 + 0 * 81, 2 + 3 + 9 + 27 + 81]


@given(hnp.arrays("float32", SHAPES, elements=st.sampled_from([-0.3, 0.0, 0.3])))
def test_a_matrix_of_three_values_comes_back_bit_for_bit(weight):
    kept = to_trits({"w": weight})
    assert kept["w"].dtype == "uint8"
    restored = from_trits(from_int8(to_int8(kept)))
    assert restored.keys() == {"w"}
    assert restored["w"].dtype == "float32"
    np.testing.assert_array_equal(restored["w"], weight)


@pytest.mark.parametrize(
    "tensor",
    [
        np.array([[0.3, 0.2]], "float32"),
        np.array([[0.3, np.nan]], "float32"),
        np.array([[np.inf, 0.0]], "float32"),
        np.array([0.3, -0.3], "float32"),
        np.array([[0.3, -0.3]], "float64"),
        np.array([[1, -1]], "int8"),
    ],
)
def test_other_tensors_are_left_alone(tensor):
    assert scale_of(tensor) is None
    kept = to_trits({"w": tensor})
    assert kept.keys() == {"w"}
    assert kept["w"] is tensor


GOOD = to_trits({"w": np.array([[0.3, 0.0, -0.3], [0.3, 0.3, 0.3]], "float32")})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"w.scale": None}, r"w has no float32 w\.scale of one number"),
        ({"w.scale": np.ones(2, "float32")}, r"w has no float32 w\.scale"),
        ({"w.shape": None}, r"w has no int32 w\.shape of two numbers"),
        ({"w.shape": np.array([2, -3], "int32")}, r"w has no int32 w\.shape"),
        ({"w.shape": np.array([2, 3, 1], "int32")}, r"w has no int32 w\.shape"),
        ({"w.shape": np.array([7, 3], "int32")}, "w: 2 bytes do not hold 21 weights of three values"),
        ({"w": np.zeros((2, 1), "uint8")}, "w: 2 bytes do not hold 6 weights of three values"),
        ({"w": np.array([243, 0], "uint8")}, "w: 2 bytes do not hold 6 weights of three values"),
    ],
)
def test_what_is_no_trit_is_refused(changes, message):
    tensors = {name: tensor for name, tensor in (GOOD | changes).items() if tensor is not None}
    with pytest.raises(ValueError, match=message):
        from_trits(tensors)


# --- A model ---


def write_run(folder: Path, weights: str) -> Path:
    tokenizer = bpe.train(LINES * 4, vocabulary_size=280)
    sizes = {"encoder_layers": 2, "decoder_layers": 2, "vocabulary_size": len(tokenizer)}
    model = nt.Transformer(nt.TransformerConfig.preset("tiny", vocabulary_size=280).replace(**sizes, weights=weights))
    model.tokenizer_digest = tokenizer.digest
    model.save(folder / "checkpoints" / "best.safetensors")
    tokenizer.save(folder / "tokenizer.json")
    (folder / "config.json").write_text(json.dumps({"options": {"source": "en", "target": "de"}}), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "ternary", "ternary")


def command(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["export", *map(str, arguments)])
    export_model.main()
    return capsys.readouterr().err


def test_a_stored_ternary_model_computes_the_same(run, tmp_path, monkeypatch, capsys):
    """But for the table, which is kept in 8 bits; and its size is told."""
    said = command(monkeypatch, capsys, "--to", "ternary", run, tmp_path / "small")
    before, after = nt.Translator.load(run), nt.Translator.load(tmp_path / "small")
    for (name, expected), (_, found) in zip(
        before.model.parameters.named(), after.model.parameters.named(), strict=True
    ):
        if name == "embedding.weight":
            np.testing.assert_allclose(found, expected, atol=abs(expected).max() / 250)
        else:
            np.testing.assert_array_equal(found, expected, err_msg=name)
    assert after.model.config.weights == "float"  # these numbers are what it computes with
    size = (tmp_path / "small" / "model.safetensors").stat().st_size
    assert f"{after.model.parameters.flat.size:,} weights in {size / 1e6:.2f} MB; float32 would take" in said
    assert size < (run / "checkpoints" / "best.safetensors").stat().st_size / 10


def test_8_bits_are_asked_for_and_1_6_given(run, tmp_path):
    """The same folder: nothing is gained by more bits for three values."""
    for name in ("int8", "ternary"):
        export(nt.Translator.load(run), name, tmp_path / name, run=run)
    one, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("int8", "ternary"))
    assert one == other


def test_a_stored_model_is_stored_again_without_a_change(run, tmp_path):
    """Rounding its three values once more would change the scale: nothing may be rounded twice."""
    export(nt.Translator.load(run), "ternary", tmp_path / "once", run=run)
    export(nt.Translator.load(tmp_path / "once"), "ternary", tmp_path / "twice")
    once, twice = (nt.Translator.load(tmp_path / name).model.parameters.flat for name in ("once", "twice"))
    np.testing.assert_allclose(twice, once, rtol=1e-6, atol=1e-9)


def test_a_float_model_has_no_ternary_weights(tmp_path):
    write_run(tmp_path / "float", "float")
    with pytest.raises(InputError, match=r"^--to ternary: the model has no ternary weights: train it"):
        export(nt.Translator.load(tmp_path / "float"), "ternary", tmp_path / "small")
    assert not (tmp_path / "small").exists()


def test_a_file_whose_trits_do_not_fit_is_refused_in_one_line(run, tmp_path):
    export(nt.Translator.load(run), "ternary", tmp_path / "small")
    tensors, metadata = load_tensors(tmp_path / "small" / "model.safetensors")
    tensors["encoder.0.feed_forward.hidden.weight.shape"][0] += 9
    save_tensors(tmp_path / "x.safetensors", tensors, metadata)
    with pytest.raises(InputError, match=r"x\.safetensors: encoder\.0\.feed_forward\.hidden\.weight: .*copy the file"):
        nt.Transformer.load(tmp_path / "x.safetensors")


@pytest.mark.parametrize("to", ["pytorch", "ctranslate2", "onnx"])
def test_other_programs_get_the_rounded_weights(run, tmp_path, to):
    """Whether a translator is exported or the writer is called with the model itself."""
    if to != "pytorch":  # which needs nothing to be written
        pytest.importorskip(to)
    export(nt.Translator.load(run), to, tmp_path / "out")
    model, tokenizer = (
        nt.Transformer.load(run / "checkpoints" / "best.safetensors"),
        bpe.Tokenizer.load(run / "tokenizer.json"),
    )
    (tmp_path / "direct").mkdir()
    if to == "ctranslate2":
        from numpy_transformer.formats.ctranslate2 import write_ctranslate2

        write_ctranslate2(model, tokenizer, tmp_path / "direct")
    elif to == "onnx":
        from numpy_transformer.formats.onnx import write_onnx

        write_onnx(model, tmp_path / "direct")
    else:
        from numpy_transformer.formats.pytorch import write_pytorch

        write_pytorch(model, tmp_path / "direct")
    for path in (tmp_path / "direct").iterdir():
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes(), path.name
