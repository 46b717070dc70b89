"""Recomputation trades time for memory (Chen et al. 2016): a layer keeps only its input and runs again in the backward.

The caches of a step grow with batch, length and depth, and the backward needs one layer's at a time. With recomputation
a layer's cache is discarded after its forward. Before its backward the forward runs again, from the same input and with
the same dropout masks, and gives the same bits. The cost is one more forward, a third of a step.
"""

from collections.abc import Callable
from copy import copy
from typing import Any, NamedTuple

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.dropout_masks import Dropouts

LayerForward = Callable[..., tuple[Array, Any]]  # (*, dropouts) -> y, cache


class Recomputed(NamedTuple):
    """Takes the place of a layer's cache."""

    forward: LayerForward
    dropouts: Dropouts  # as they were before the layer drew its masks


def layer_forward(forward: LayerForward, dropouts: Dropouts, *, recompute: bool) -> tuple[Array, Any]:
    """y and the cache of a layer, or with `recompute` what is needed to rebuild the cache."""
    if not recompute:
        return forward(dropouts=dropouts)
    before = Dropouts(*map(copy, dropouts))
    y, _ = forward(dropouts=dropouts)
    return y, Recomputed(forward, before)


def layer_cache(kept: Any) -> Any:
    """The cache of a layer, recomputed if it was not kept."""
    if not isinstance(kept, Recomputed):
        return kept
    _, cache = kept.forward(dropouts=Dropouts(*map(copy, kept.dropouts)))
    return cache
