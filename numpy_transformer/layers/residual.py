"""Residual connection and layer norm around a sub-layer (sections 3.1 and 5.4).

    post-norm, the paper:   y = LayerNorm(x + Dropout(Sublayer(x)))
    pre-norm:               y = x + Dropout(Sublayer(LayerNorm(x)))

The wiring is the same around self-attention, cross-attention and feed-forward, so it is written once, around any
function with the forward  sublayer(x, parameters) -> y, cache  and the backward
sublayer(dy, cache, parameters, gradients) -> dx.

Derivation. A sum hands its gradient to both terms unchanged, so x receives two gradients: one along the residual path
and one through the sub-layer. They add up. With s = x + Dropout(Sublayer(inner)):

    ds      = dy through the norm after the sum (post-norm), or dy
    dinner  = ds through dropout and sub-layer
    dx      = ds + (dinner through the norm before the sub-layer (pre-norm), or dinner)
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.dropout_masks import DropoutMasks
from numpy_transformer.layers.dropout import DropoutCache, dropout_backward, dropout_forward
from numpy_transformer.layers.layer_norm import (
    EPSILON,
    LayerNormCache,
    LayerNormParameters,
    layer_norm_backward,
    layer_norm_forward,
)

P = TypeVar("P")  # the sub-layer's parameters
SublayerForward = Callable[[Array, P], tuple[Array, Any]]
SublayerBackward = Callable[[Array, Any, P, P], Array]


class ResidualCache(NamedTuple):
    before: LayerNormCache | None  # of the norm before the sub-layer (pre-norm)
    sublayer: Any
    dropout: DropoutCache | None
    after: LayerNormCache | None  # of the norm after the sum (post-norm)


def residual_forward(
    x: Array,
    sublayer: SublayerForward[P],
    parameters: tuple[P, LayerNormParameters],
    *,
    norm: str,
    dropout: DropoutMasks | None,
    epsilon: float = EPSILON,
) -> tuple[Array, ResidualCache]:
    """(..., D) -> (..., D); `parameters` are the sub-layer's and its norm's, `norm` is "post" or "pre"."""
    inside_parameters, norm_parameters = parameters
    before = after = None
    inner = x
    if norm == "pre":
        inner, before = layer_norm_forward(x, norm_parameters, epsilon=epsilon)
    update, inside = sublayer(inner, inside_parameters)
    dropped, kept = dropout_forward(update, dropout)
    y = x + dropped
    if norm == "post":
        y, after = layer_norm_forward(y, norm_parameters, epsilon=epsilon)
    return y, ResidualCache(before, inside, kept, after)


def residual_backward(
    dy: Array,
    cache: ResidualCache,
    sublayer: SublayerBackward[P],
    parameters: tuple[P, LayerNormParameters],
    gradients: tuple[P, LayerNormParameters],
) -> Array:
    """(..., D) -> dx (..., D); writes the gradients of the sub-layer and of its norm."""
    before, inside, kept, after = cache
    (inside_parameters, norm_parameters), (inside_gradients, norm_gradients) = parameters, gradients
    dsum = dy if after is None else layer_norm_backward(dy, after, norm_parameters, norm_gradients)
    dupdate = dropout_backward(dsum, kept)
    dinner = sublayer(dupdate, inside, inside_parameters, inside_gradients)
    if before is not None:
        dinner = layer_norm_backward(dinner, before, norm_parameters, norm_gradients)
    return dsum + dinner
