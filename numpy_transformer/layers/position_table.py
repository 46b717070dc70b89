"""The sinusoids of embedding.py as a table that is made once and shared."""

from functools import lru_cache
from types import ModuleType

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, to_device


def sinusoids(length: int, d_model: int) -> Array:
    """The table of encodings (T, D), float64, on the host."""
    positions = np.arange(length)[:, None]  # (T, 1)
    angles = positions / 10000 ** (np.arange(0, d_model, 2) / d_model)  # (T, D/2)
    encoding = np.empty((length, d_model))
    encoding[:, 0::2] = np.sin(angles)
    encoding[:, 1::2] = np.cos(angles)
    return encoding


@lru_cache(maxsize=16)
def _table(length: int, d_model: int, dtype: np.dtype, xp: ModuleType) -> Array:
    table = sinusoids(length, d_model).astype(dtype)
    table.setflags(write=False)  # shared by all callers
    return xp.asarray(table)  # uploaded once


def encodings(start: int, end: int, like: Array) -> Array:
    """The encodings (end - start, D) of positions start .. end - 1, for vectors such as `like` (..., D)."""
    return _table(_room(end), like.shape[-1], like.dtype, array_module(like))[start:end]


def positional_encoding_rows(positions: Array, like: Array) -> Array:
    """The encodings (B, D) of `positions` (B,), a host array, for vectors such as `like` (..., D)."""
    xp = array_module(like)
    table = _table(_room(int(positions.max(initial=0)) + 1), like.shape[-1], like.dtype, xp)
    return table[to_device(positions, xp)]


def _room(length: int) -> int:
    """Rounds up to few distinct lengths, so that the table is rarely rebuilt."""
    return max(64, 1 << (length - 1).bit_length())
