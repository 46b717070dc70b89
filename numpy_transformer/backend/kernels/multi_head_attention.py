"""Multi-head attention on a GPU: the projections' biases are added where attention's kernels read the projections.

Mathematics: layers/multi_head_attention.py. The buffers of the projections are read, and those of their gradients
written, through strided views, as there; dmemory grows in the product that makes its part.
"""

from typing import Any

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.dropout_masks import DropoutMasks
from numpy_transformer.backend.gpu_twins import textbook, twin_of
from numpy_transformer.backend.kernels.arithmetic import matmul
from numpy_transformer.backend.kernels.attention import Biases, FusedAttentionCache, attend, attend_backward, fits
from numpy_transformer.backend.kernels.linear import LinearGradients, linear_backward, linear_forward, rows_of
from numpy_transformer.layers import multi_head_attention
from numpy_transformer.layers.multi_head_attention import (
    CrossAttentionCache,
    CrossAttentionParameters,
    SelfAttentionCache,
    SelfAttentionParameters,
    split_heads,
)


@twin_of(multi_head_attention.self_attention_forward)
def self_attention_forward(
    x: Array,
    parameters: SelfAttentionParameters,
    *,
    heads: int,
    mask: Array | None = None,
    dropout: DropoutMasks | None = None,
) -> tuple[Array, SelfAttentionCache]:
    """x (B, T, D) -> (B, T, D). `mask` broadcasts to (B, H, T, T), True where a query may see a key."""
    if not fits(x, x.shape[-1] // heads):
        return textbook(multi_head_attention.self_attention_forward)(
            x, parameters, heads=heads, mask=mask, dropout=dropout
        )
    weight, bias = parameters.query_key_value
    query, key, value = split_heads(_projected(x, weight), 3, heads)
    context = array_module(x).empty(x.shape, dtype=x.dtype)
    [out] = split_heads(context, 1, heads)
    attention: Any = attend(query, key, value, biases=Biases(*bias.reshape(3, -1)), mask=mask, dropout=dropout, out=out)
    return linear_forward(context, parameters.output), SelfAttentionCache(x, attention, context)


@twin_of(multi_head_attention.self_attention_backward)
def self_attention_backward(
    dy: Array,
    cache: SelfAttentionCache,
    parameters: SelfAttentionParameters,
    gradients: SelfAttentionParameters,
) -> Array:
    """dy (B, T, D) -> dx (B, T, D); writes both projections' gradients. As it is written: its parts have twins."""
    return textbook(multi_head_attention.self_attention_backward)(dy, cache, parameters, gradients)


@twin_of(multi_head_attention.cross_attention_forward)
def cross_attention_forward(
    x: Array,
    parameters: CrossAttentionParameters,
    *,
    memory: Array,
    heads: int,
    mask: Array | None = None,
    dropout: DropoutMasks | None = None,
) -> tuple[Array, CrossAttentionCache]:
    """x (B, T, D) asks, memory (B, S, D) answers -> (B, T, D). `mask` broadcasts to (B, H, T, S)."""
    if not fits(x, x.shape[-1] // heads):
        return textbook(multi_head_attention.cross_attention_forward)(
            x, parameters, memory=memory, heads=heads, mask=mask, dropout=dropout
        )
    biases = Biases(parameters.query.bias, *parameters.key_value.bias.reshape(2, -1))
    [query] = split_heads(_projected(x, parameters.query.weight), 1, heads)
    key, value = split_heads(_projected(memory, parameters.key_value.weight), 2, heads)
    context = array_module(x).empty(x.shape, dtype=x.dtype)
    [out] = split_heads(context, 1, heads)
    attention: Any = attend(query, key, value, biases=biases, mask=mask, dropout=dropout, out=out)
    return linear_forward(context, parameters.output), CrossAttentionCache(x, memory, attention, context)


@twin_of(multi_head_attention.cross_attention_backward)
def cross_attention_backward(
    dy: Array,
    cache: CrossAttentionCache,
    parameters: CrossAttentionParameters,
    gradients: CrossAttentionParameters,
    *,
    dmemory: Array,
) -> Array:
    """dy (B, T, D) -> dx (B, T, D); writes the three projections' gradients and ADDS to dmemory (B, S, D)."""
    x, memory, attention, context = cache
    if not isinstance(attention, FusedAttentionCache):
        return textbook(multi_head_attention.cross_attention_backward)(
            dy, cache, parameters, gradients, dmemory=dmemory
        )
    xp, heads = array_module(dy), attention.query.shape[1]
    [dcontext] = split_heads(linear_backward(dy, context, parameters.output, gradients.output), 1, heads)
    dprojected_query = xp.empty(x.shape, dtype=x.dtype)
    dprojected_key_value = xp.empty((*memory.shape[:-1], 2 * memory.shape[-1]), dtype=x.dtype)
    [dquery] = split_heads(dprojected_query, 1, heads)
    dkey, dvalue = split_heads(dprojected_key_value, 2, heads)
    attend_backward(dcontext, attention, dquery=dquery, dkey=dkey, dvalue=dvalue)
    to_memory = LinearGradients(*gradients.key_value, dx=dmemory)
    linear_backward(dprojected_key_value, memory, parameters.key_value, to_memory)
    return linear_backward(dprojected_query, x, parameters.query, gradients.query)


def _projected(x: Array, weight: Array) -> Array:
    """x W, without its bias. (..., D) -> (..., O)."""
    return matmul(rows_of(x), weight).reshape(*x.shape[:-1], -1)
