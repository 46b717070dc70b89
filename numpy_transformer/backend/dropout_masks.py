"""The masks of dropout: which elements are kept, as a function of (seed, site).

A site numbers the uses of dropout within one forward pass. So a step can be repeated exactly with nothing stored. Each
element uses 16 random bits, so p is rounded to a multiple of 1/65536 and the scale uses the rounded value: the mean
stays exact.

Two generators draw the bits. On a CPU it is SFC64, the fastest that NumPy has (0.5 ns per element). On a GPU it is
Philox (philox.py), inside the kernels; the backward draws the mask again from its DropoutSite and none is ever stored.
A CPU can be asked for Philox too (4 to 5 ns per element), to compare the two with dropout on.
"""

import operator
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.philox import Key, random_halves

LEVELS = 1 << 16


class DropoutSite(NamedTuple):
    """One use of dropout in one forward pass: all that is needed to draw its mask, and to draw it again."""

    key: Key
    site: int
    threshold: int  # 16 random bits below this: dropped

    def mask(self, shape: tuple[int, ...]) -> Array:
        """True where an element is kept, on the host; the last axis of `shape` is the columns."""
        rows, columns = int(np.prod(shape[:-1])), shape[-1] if shape else 1
        return (random_halves(rows, columns, key=self.key, site=self.site) >= self.threshold).reshape(shape)


class DropoutMasks:
    """The masks of one forward pass, in order; those of a GPU, or with philox=True, come from Philox."""

    def __init__(
        self, probability: float, seed: int | Sequence[int], xp: ModuleType = np, *, philox: bool = False
    ) -> None:
        self.threshold = round(probability * LEVELS)
        self.scale = LEVELS / (LEVELS - self.threshold)  # 1 / (1 - p)
        parts = seed if isinstance(seed, Sequence) else (seed,)
        self._seed = tuple(operator.index(part) for part in parts)
        self._site = 0
        self._xp = xp
        self._philox = philox or xp is not np
        low, high = np.random.SeedSequence(self._seed).generate_state(2).tolist()
        self._key = low, high

    def next_site(self) -> DropoutSite:
        """The next site, for a mask that Philox draws."""
        site = DropoutSite(self._key, self._site, self.threshold)
        self._site += 1
        return site

    def next_mask(self, shape: tuple[int, ...]) -> Array:
        """The next site's mask: True where an element is kept."""
        if self._philox:
            return self._xp.asarray(self.next_site().mask(shape))
        sequence = np.random.SeedSequence((*self._seed, self._site))
        self._site += 1
        size = int(np.prod(shape))
        generator = np.random.Generator(np.random.SFC64(sequence))
        words = generator.integers(0, 2**64 - 1, size=-(-size // 4), dtype=np.uint64, endpoint=True)
        return words.view(np.uint16)[:size].reshape(shape) >= self.threshold


class Dropouts(NamedTuple):
    """The two kinds of dropout of one forward pass; None switches a kind off."""

    residual: DropoutMasks | None = None  # on outputs of sub-layers and on embeddings (section 5.4)
    attention: DropoutMasks | None = None  # on attention weights


NO_DROPOUT = Dropouts()
