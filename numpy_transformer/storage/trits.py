"""Weights of three values in 1.6 bits: five of them in each byte, for models on disk. Nothing is lost.

A matrix whose numbers are all -s, 0 or s (layers/ternary.py) is kept as s and its trits t, -1, 0 or 1. Five trits are
the digits of a number of base 3, which a byte can hold, since 3^5 = 243 <= 256:

    byte = sum_k (t_k + 1) 3^k,  k = 0 to 4

That is 8 / 5 = 1.6 bits a weight; no code can do with less than log2(3) = 1.585 where the three are equally frequent.

In a file, matrix NAME (rows, columns) is three tensors: NAME, uint8, its trits row after row, the last byte filled up
with zeros; NAME.scale, float32 (1,); and NAME.shape, int32 (2,).
"""

from collections.abc import Mapping

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.storage.int8_rows import SCALE

SHAPE = ".shape"
IN_A_BYTE = 5
POWERS = 3 ** np.arange(IN_A_BYTE)  # 1, 3, 9, 27, 81


def scale_of(tensor: Array) -> np.float32 | None:
    """s, if this is a matrix of float32 whose numbers are all -s, 0 or s; None for any other tensor."""
    if tensor.ndim != 2 or tensor.dtype != np.float32:
        return None
    magnitudes = np.abs(tensor)
    scale = magnitudes.max(initial=np.float32(0))
    return scale if np.isfinite(scale) and ((magnitudes == 0) | (magnitudes == scale)).all() else None


def pack(trits: Array) -> Array:
    """-1, 0 and 1 (n,) -> bytes (n / 5 rounded up,)."""
    padded = np.zeros((-(-len(trits) // IN_A_BYTE), IN_A_BYTE), dtype=np.int64)
    padded.reshape(-1)[: len(trits)] = trits
    return ((padded + 1) @ POWERS).astype(np.uint8)


def unpack(packed: Array, count: int) -> Array:
    """The inverse of `pack` -> float32 (count,). Raises ValueError for bytes that are not `count` trits."""
    if packed.shape != (-(-count // IN_A_BYTE),) or (packed.size and packed.max() >= 3**IN_A_BYTE):
        raise ValueError(f"{packed.size} bytes do not hold {count} weights of three values")
    digits = np.arange(3**IN_A_BYTE)[:, None] // POWERS % 3  # (243, 5): a table is faster than divisions
    return (digits - 1).astype(np.float32)[packed].reshape(-1)[:count]


def to_trits(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Named tensors with every matrix of three values as trits; the others stay as they are."""
    kept: dict[str, Array] = {}
    for name, tensor in tensors.items():
        scale = scale_of(tensor)
        if scale is None:
            kept[name] = tensor
            continue
        kept[name] = pack(np.sign(tensor).reshape(-1))
        kept[name + SCALE] = np.array([scale])
        kept[name + SHAPE] = np.array(tensor.shape, dtype=np.int32)
    return kept


def from_trits(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The inverse of `to_trits`, as float32; tensors that are not trits stay as they are.

    Raises ValueError, naming the tensor, for trits without scale and shape, or of another number than the shape says.
    """
    packed = {name for name, tensor in tensors.items() if tensor.dtype == np.uint8}
    beside = {name + end for name in packed for end in (SCALE, SHAPE)}
    restored: dict[str, Array] = {}
    for name, tensor in tensors.items():
        if name in beside:
            continue
        if name not in packed:
            restored[name] = tensor
            continue
        scale, shape = tensors.get(name + SCALE), tensors.get(name + SHAPE)
        if scale is None or scale.dtype != np.float32 or scale.shape != (1,):
            raise ValueError(f"{name} has no float32 {name + SCALE} of one number")
        if shape is None or shape.dtype != np.int32 or shape.shape != (2,) or (shape < 0).any():
            raise ValueError(f"{name} has no int32 {name + SHAPE} of two numbers")
        rows, columns = map(int, shape)
        try:
            restored[name] = unpack(tensor, rows * columns).reshape(rows, columns) * scale
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return restored
