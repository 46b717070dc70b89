"""Scaled dot-product attention on a GPU: cuBLAS, and one kernel for all between the products (softmax.cu).

Mathematics: layers/attention.py. The cache keeps the weights before dropout; the backward recomputes those after
dropout.
"""

import math
from typing import Any, cast

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.dropout_masks import DropoutMasks, DropoutSite
from numpy_transformer.backend.gpu_twins import twin_of
from numpy_transformer.backend.kernels.softmax import scores_backward, weights_of
from numpy_transformer.layers import attention, blocked_attention
from numpy_transformer.layers.arithmetic import matmul
from numpy_transformer.layers.attention import AttentionCache


@twin_of(attention.scaled_dot_product_attention_forward)
def scaled_dot_product_attention_forward(
    *,
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    dropout: DropoutMasks | None = None,
    out: Array | None = None,
) -> tuple[Array, AttentionCache]:
    """query (B, H, T, K), key and value (B, H, S, K) -> context (B, H, T, K)."""
    scale = 1 / math.sqrt(query.shape[-1])
    site = None if dropout is None else dropout.next_site()
    scores = empty_scores(query, key)  # (B, H, T, S)
    matmul(query, key.swapaxes(-1, -2), out=scores)
    dropped = None if site is None else empty_scores(query, key)
    weights = scores
    weights_of(scores, weights=weights, scale=scale, mask=mask, dropped=dropped, site=site)
    context = matmul(weights if dropped is None else dropped, value, out=out)  # (B, H, T, K)
    # The backward recomputes the weights after dropout, from the site.
    return context, AttentionCache(query, key, value, weights, weights, cast(Any, site))


@twin_of(attention.scaled_dot_product_attention_backward)
def scaled_dot_product_attention_backward(
    dcontext: Array, cache: AttentionCache, *, dquery: Array, dkey: Array, dvalue: Array
) -> None:
    """dcontext (B, H, T, K) -> writes dquery (B, H, T, K), dkey and dvalue (B, H, S, K), which may be strided views."""
    query, key, value, weights, _, site = cache
    assert site is None or isinstance(site, DropoutSite)  # what the forward above left there
    scale = 1 / math.sqrt(query.shape[-1])
    ddropped = empty_scores(query, key)  # (B, H, T, S)
    matmul(dcontext, value.swapaxes(-1, -2), out=ddropped)
    dropped = None if site is None else empty_scores(query, key)
    dscores = ddropped
    scores_backward(ddropped, weights, dscores=dscores, scale=scale, dropped=dropped, site=site)
    matmul((weights if dropped is None else dropped).swapaxes(-1, -2), dcontext, out=dvalue)
    matmul(dscores, key, out=dquery)
    matmul(dscores.swapaxes(-1, -2), query, out=dkey)


@twin_of(blocked_attention.blocked_attention_forward)
def blocked_attention_forward(
    *,
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    out: Array | None = None,
    block: int = 0,
) -> tuple[Array, AttentionCache]:
    """Here long sentences use the plain form too; the cache tells the backward."""
    return scaled_dot_product_attention_forward(query=query, key=key, value=value, mask=mask, out=out)


@twin_of(blocked_attention.blocked_attention_backward)
def blocked_attention_backward(
    dcontext: Array, cache: AttentionCache, *, dquery: Array, dkey: Array, dvalue: Array
) -> None:
    """The plain form's backward, to match the forward above."""
    scaled_dot_product_attention_backward(dcontext, cache, dquery=dquery, dkey=dkey, dvalue=dvalue)


def empty_scores(query: Array, key: Array) -> Array:
    """Memory for (B, H, T, S) whose rows begin at multiples of 16 bytes, which kernels and tensor cores need."""
    in_a_load, S = 16 // query.itemsize, key.shape[-2]
    padded = array_module(query).empty((*query.shape[:-1], -(-S // in_a_load) * in_a_load), dtype=query.dtype)
    return padded[..., :S]
