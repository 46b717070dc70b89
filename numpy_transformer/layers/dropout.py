"""Dropout: each element is set to zero with probability p, the others are scaled up to keep the mean (section 5.4).

    y = x * kept / (1 - p)

Derivation. The mask is drawn, not computed, so it is a constant: dx = dy * kept / (1 - p), with the same mask as in the
forward pass. That is why each use of dropout keeps its own mask in its cache.
"""

from typing import NamedTuple

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.dropout_masks import DropoutMasks


class DropoutCache(NamedTuple):
    kept: Array  # bool, the shape of x
    scale: float  # 1 / (1 - p)


def dropout_forward(x: Array, masks: DropoutMasks | None) -> tuple[Array, DropoutCache | None]:
    """x * kept / (1 - p), with the next of the masks; or x itself where `masks` is None (evaluation)."""
    if masks is None:
        return x, None
    cache = DropoutCache(masks.next_mask(x.shape), masks.scale)
    y = x * cache.kept
    y *= cache.scale
    return y, cache


def dropout_backward(dy: Array, cache: DropoutCache | None) -> Array:
    """dy * kept / (1 - p): the map is linear and its own transpose."""
    if cache is None:
        return dy
    dx = dy * cache.kept
    dx *= cache.scale
    return dx
