"""Residual connection and layer norm around each sub-layer (sections 3.1 and 5.4).

    post-norm, the paper:   y = LayerNorm(x + Dropout(Sublayer(x)))
    pre-norm:               y = x + Dropout(Sublayer(LayerNorm(x)))

Both are written as two halves with the sub-layer between them, so that a block reads top to bottom:

    inner, before = before_sublayer_forward(x, ...)         post: x          pre: LayerNorm(x)
    update, sublayer = self_attention_forward(inner, ...)
    y, after = after_sublayer_forward(x, update, ...)       post: LayerNorm(x + Dropout(update + bias))
                                                            pre: x + Dropout(update + bias)

Every sub-layer ends in a linear layer. Its bias may be left to the second half: a GPU then adds it on the way, in one
kernel with all the rest (kernels/residual.cu), and sums its gradient there.

Derivation. A sum hands its gradient to both terms unchanged, so x receives two gradients: one along the residual path
and one through the sub-layer. The block adds them:

    dx, dupdate = after_sublayer_backward(dy, ...)          dbias = sum_n dupdate_n
    dinner = self_attention_backward(dupdate, ...)
    dx = dx + before_sublayer_backward(dinner, ...)
"""

from typing import NamedTuple

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.twins import gpu_twin
from numpy_transformer.layers.dropout import DropoutCache, DropoutMasks, dropout_backward, dropout_forward
from numpy_transformer.layers.layer_norm import (
    LayerNormCache,
    LayerNormParameters,
    layer_norm_backward,
    layer_norm_forward,
)
from numpy_transformer.layers.matmul import column_sums


def before_sublayer_forward(
    x: Array, parameters: LayerNormParameters, *, norm: str
) -> tuple[Array, LayerNormCache | None]:
    """What the sub-layer sees: x (post-norm) or LayerNorm(x) (pre-norm). (..., D) -> (..., D)."""
    return layer_norm_forward(x, parameters) if norm == "pre" else (x, None)


def before_sublayer_backward(
    dinner: Array,
    cache: LayerNormCache | None,
    parameters: LayerNormParameters,
    gradients: LayerNormParameters,
) -> Array:
    """(..., D) -> the part of dx that comes through the sub-layer; pre-norm writes the norm's gradients."""
    return dinner if cache is None else layer_norm_backward(dinner, cache, parameters, gradients)


class AfterCache(NamedTuple):
    dropout: DropoutCache | None
    norm: LayerNormCache | None


@gpu_twin()
def after_sublayer_forward(
    x: Array,
    update: Array,
    parameters: LayerNormParameters,
    *,
    norm: str,
    dropout: DropoutMasks | None,
    bias: Array | None = None,
) -> tuple[Array, AfterCache]:
    """LayerNorm(x + Dropout(update + bias)) (post-norm) or x + Dropout(update + bias) (pre-norm).

    All (..., D) but bias (D,), the sub-layer's last one, if it is not in `update` yet.
    """
    shifted = update if bias is None else update + bias
    dropped, dropout_cache = dropout_forward(shifted, dropout)
    y = x + dropped
    norm_cache = None
    if norm == "post":
        y, norm_cache = layer_norm_forward(y, parameters)
    return y, AfterCache(dropout_cache, norm_cache)


@gpu_twin()
def after_sublayer_backward(
    dy: Array,
    cache: AfterCache,
    parameters: LayerNormParameters,
    gradients: LayerNormParameters,
    *,
    dbias: Array | None = None,
) -> tuple[Array, Array]:
    """(..., D) -> dx along the residual path, dupdate; post-norm writes the norm's gradients. `dbias` (D,) is written.

    Without dropout the two are one array, and in pre-norm that array is dy itself: never change them in place.
    """
    dx = dy if cache.norm is None else layer_norm_backward(dy, cache.norm, parameters, gradients)
    dupdate = dropout_backward(dx, cache.dropout)
    if dbias is not None:
        column_sums(dupdate.reshape(-1, dupdate.shape[-1]), out=dbias)
    return dx, dupdate
