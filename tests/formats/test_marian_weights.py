"""The weights of a Marian folder in every type that model files have; no other package is needed for these tests."""

import json
import struct

import numpy as np
import pytest

from numpy_transformer.errors import InputError
from numpy_transformer.formats.marian import _read_weights


def write(path, **tensors):
    """A safetensors file of (type, shape, bytes) by name, as the format's documentation describes it."""
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def test_bfloat16_is_read_as_the_float32_it_stands_for(tmp_path):
    """A bfloat16 is the upper half of a float32: what is cut off loses less than 2^-7 of the number."""
    numbers = np.random.default_rng(0).standard_normal((3, 4)).astype("<f4")
    upper_halves = (numbers.view("<u4") >> 16).astype("<u2")
    write(tmp_path / "model.safetensors", w=("BF16", [3, 4], upper_halves.tobytes()), one=("BF16", [1], b"\x80\x3f"))
    weights = _read_weights(tmp_path / "model.safetensors")
    assert weights["one"].tolist() == [1.0]
    assert weights["w"].shape == (3, 4)
    assert weights["w"].dtype == np.float32
    assert (np.abs(weights["w"] - numbers) <= 2.0**-7 * np.abs(numbers)).all()
    assert np.array_equal(weights["w"].view("<u4") >> 16, upper_halves)


def test_other_types(tmp_path):
    numbers = np.array([0.5, -2.0])
    floats = {f"F{8 * width}": numbers.astype(f"<f{width}") for width in (2, 4, 8)}
    tensors = {name: (name, [2], array.tobytes()) for name, array in floats.items()}
    write(tmp_path / "model.safetensors", **tensors, ids=("I64", [1], bytes(8)))
    weights = _read_weights(tmp_path / "model.safetensors")
    assert {name: array.tolist() for name, array in weights.items()} == {name: [0.5, -2.0] for name in floats}


def test_a_type_that_cannot_be_read_is_named(tmp_path):
    write(tmp_path / "model.safetensors", w=("F8_E4M3", [2], bytes(2)))
    with pytest.raises(InputError, match=r"model.safetensors: w is of type F8_E4M3; .*bfloat16.* can be read"):
        _read_weights(tmp_path / "model.safetensors")


@pytest.mark.parametrize("content", [b"", b"12345678", b"\xff" * 100, b"\x02\x00\x00\x00\x00\x00\x00\x00{]"])
def test_damage_is_called_damage(content, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="is damaged, or not a safetensors file"):
        _read_weights(tmp_path / "model.safetensors")
