"""Dropout: each element is set to zero with probability p, the others are scaled up to keep the mean (section 5.4).

    y = x * kept / (1 - p)

Derivation. The mask is drawn, not computed, so it is a constant: dx = dy * kept / (1 - p), with the very mask of the
forward pass. That is why each use of dropout keeps its own mask in its cache.

A mask is a function of (seed, site), where the site numbers the uses of dropout within one forward pass. Nothing needs
to be stored to repeat a step exactly. Each element spends 16 random bits, so p is rounded to a multiple of 1/65536 and
the scale uses the rounded value: the mean stays exact.
"""

import operator
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np

from numpy_transformer.backend import Array

LEVELS = 1 << 16


class DropoutMasks:
    """The masks of one forward pass, one after the other."""

    def __init__(self, probability: float, seed: int | Sequence[int], xp: ModuleType = np) -> None:
        self.threshold = round(probability * LEVELS)
        self.scale = LEVELS / (LEVELS - self.threshold)  # 1 / (1 - p)
        parts = seed if isinstance(seed, Sequence) else (seed,)
        self._seed = tuple(operator.index(part) for part in parts)
        self._site = 0
        self._xp = xp

    def next_mask(self, shape: tuple[int, ...]) -> Array:
        """The next site's mask: True where an element is kept."""
        sequence = np.random.SeedSequence((*self._seed, self._site))
        self._site += 1
        size = int(np.prod(shape))
        generator = np.random.Generator(np.random.SFC64(sequence))
        words = generator.integers(0, 2**64 - 1, size=-(-size // 4), dtype=np.uint64, endpoint=True)
        kept = words.view(np.uint16)[:size].reshape(shape) >= self.threshold
        return self._xp.asarray(kept)


class DropoutCache(NamedTuple):
    kept: Array  # bool, the shape of x
    scale: float


def dropout_forward(x: Array, masks: DropoutMasks | None) -> tuple[Array, DropoutCache | None]:
    """x * kept / (1 - p), or x itself where `masks` is None (evaluation)."""
    if masks is None:
        return x, None
    cache = DropoutCache(masks.next_mask(x.shape), masks.scale)
    return dropout_backward(x, cache), cache


def dropout_backward(dy: Array, cache: DropoutCache | None) -> Array:
    """dy * kept / (1 - p): the map is linear and its own transpose."""
    if cache is None:
        return dy
    dx = dy * cache.kept
    dx *= cache.scale
    return dx
