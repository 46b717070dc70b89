"""Weights of 8 bits with one scale per row: a quarter of the size of float32, for models on disk.

Row r of a matrix w is kept as whole numbers q and one float32 number, its scale:

    scale_r = max_c |w_rc| / 127
    q_rc    = round(w_rc / scale_r), from -127 to 127
    w_rc    = scale_r q_rc, when it is read

This is symmetric quantisation: 0 stays 0, and no number is cut off. Rounding moves a weight by at most half a scale:

    |scale_r q_rc - w_rc| <= scale_r / 2 = max_c |w_rc| / 254

Because each row has its own scale, a row of small numbers keeps its precision beside one of large numbers. Vectors
(biases, gains of norms) are few, and act on every position: they stay as they are.

In a file, matrix NAME is two tensors: NAME, int8 (rows, columns), and NAME.scale, float32 (rows,).
"""

from collections.abc import Mapping

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.errors import InputError

LARGEST = 127  # -128 is not used: the grid is symmetric
SCALE = ".scale"


def quantise_rows(weight: Array) -> tuple[Array, Array]:
    """Host array (rows, columns) of finite floats -> whole numbers (rows, columns) int8, scales (rows,) float32.

    A row of zeros has the scale 0. Raises ValueError for numbers that are not finite.
    """
    if not np.isfinite(weight).all():
        raise ValueError("only finite numbers can be kept in 8 bits")
    scale = (np.abs(weight).max(axis=1, initial=0) / LARGEST).astype(np.float32)
    # A row whose scale rounds to 0 in float32 becomes zeros. Any divisor but 0 will do for it.
    quotient = weight / np.where(scale, scale, np.inf)[:, None]
    return np.clip(np.rint(quotient), -LARGEST, LARGEST).astype(np.int8), scale


def restore_rows(whole: Array, scale: Array) -> Array:
    """int8 (rows, columns), float32 (rows,) -> float32 (rows, columns)."""
    return whole * scale[:, None]


def to_int8(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Named tensors with every matrix as whole numbers and scales, vectors as float32; what is no float stays.

    Raises InputError, naming the tensor, for numbers that are not finite.
    """
    kept: dict[str, Array] = {}
    for name, tensor in tensors.items():
        if tensor.ndim != 2:
            kept[name] = tensor.astype(np.float32) if tensor.dtype.kind == "f" else tensor
            continue
        try:
            kept[name], kept[name + SCALE] = quantise_rows(tensor)
        except ValueError as error:
            raise InputError(f"{name}: {error}: train the model again, or take an earlier checkpoint") from None
    return kept


def from_int8(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """The inverse of `to_int8`, as float32; tensors that are not of 8 bits stay as they are.

    Raises ValueError, naming the tensor, if a matrix of 8 bits has no scale for each of its rows.
    """
    restored: dict[str, Array] = {}
    scales = {name + SCALE for name, tensor in tensors.items() if tensor.dtype == np.int8}
    for name, tensor in tensors.items():
        if name in scales:
            continue
        if tensor.dtype != np.int8:
            restored[name] = tensor
            continue
        scale = tensors.get(name + SCALE)
        if scale is None or tensor.ndim != 2 or scale.dtype != np.float32 or scale.shape != tensor.shape[:1]:
            raise ValueError(f"{name} has no float32 {name + SCALE} with a number for each row")
        restored[name] = restore_rows(tensor, scale)
    return restored
