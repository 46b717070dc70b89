"""Multi-head attention: H attentions side by side, each on its own learned projection of the input (section 3.2.2).

    query, key, value = x W_q + b_q, memory W_k + b_k, memory W_v + b_v
    context           = attention of each of H heads on its K = D / H numbers of these, the heads joined again
    y                 = context W_o + b_o

In self-attention query, key and value come from one input, so their projections are one (D, 3D) matrix product. In
cross-attention the decoder asks (query, from x) and the encoder's output answers (key and value, from memory).

Splitting into heads is a reshape and a swap of axes: no number changes, so its backward is the inverse reshape. Nothing
is copied in either direction: the projections' buffers are read and written through strided views.

Derivation. A linear layer, one attention per head, another linear layer: so their backwards in reverse (linear.py,
attention.py). dcontext = dy W_o^T is split into heads, each head gives its columns of dquery, dkey and dvalue, and

    dx = dquery W_q^T        dmemory = dkey W_k^T + dvalue W_v^T

In self-attention x takes all three parts, so dx is the sum of three, which the fused product adds up by itself:
dx = [dquery dkey dvalue] [W_q W_k W_v]^T.

A key bias moves all scores of a query by the same amount, which softmax ignores: its gradient is exactly zero.
"""

from typing import NamedTuple

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.dropout_masks import DropoutMasks
from numpy_transformer.layers.attention import AttentionCache
from numpy_transformer.layers.blocked_attention import BlockedAttentionCache, attend, attend_backward
from numpy_transformer.layers.linear import LinearParameters, linear_backward, linear_forward, linear_spec


class SelfAttentionParameters(NamedTuple):
    query_key_value: LinearParameters  # (D, 3D)
    output: LinearParameters  # (D, D)


class CrossAttentionParameters(NamedTuple):
    query: LinearParameters  # (D, D)
    key_value: LinearParameters  # (D, 2D)
    output: LinearParameters  # (D, D)


def self_attention_spec(d_model: int) -> SelfAttentionParameters:
    """Parameters of self-attention.

    Query, key and value are drawn as one (D, 3D) matrix, which makes each smaller by sqrt(2) than if drawn alone: the
    first scores are then nearer to zero and the first weights nearer to equal, and training starts faster.
    """
    return SelfAttentionParameters(linear_spec(d_model, 3 * d_model), linear_spec(d_model, d_model))


def cross_attention_spec(d_model: int) -> CrossAttentionParameters:
    """Parameters of cross-attention, drawn like those of self-attention."""
    return CrossAttentionParameters(
        linear_spec(d_model, d_model, fan_out=3 * d_model),
        linear_spec(d_model, 2 * d_model, fan_out=3 * d_model),
        linear_spec(d_model, d_model),
    )


def split_heads(x: Array, parts: int, heads: int) -> list[Array]:
    """(B, T, parts D) -> `parts` views (B, H, T, K) into the same memory."""
    B, T, width = x.shape
    by_head = x.reshape(B, T, parts, heads, width // (parts * heads))
    return [by_head[:, :, part].swapaxes(1, 2) for part in range(parts)]


class SelfAttentionCache(NamedTuple):
    input: Array  # (B, T, D)
    attention: AttentionCache | BlockedAttentionCache
    context: Array  # (B, T, D)


def self_attention_forward(
    x: Array,
    parameters: SelfAttentionParameters,
    *,
    heads: int,
    mask: Array | None = None,
    dropout: DropoutMasks | None = None,
) -> tuple[Array, SelfAttentionCache]:
    """x (B, T, D) -> (B, T, D). `mask` broadcasts to (B, H, T, T), True where a query may see a key."""
    projected = linear_forward(x, parameters.query_key_value)  # (B, T, 3D)
    query, key, value = split_heads(projected, 3, heads)
    context = array_module(x).empty(x.shape, x.dtype)  # (B, T, D): the heads write into it, side by side
    attention = attend(query, key, value, mask=mask, dropout=dropout, out=split_heads(context, 1, heads)[0])
    y = linear_forward(context, parameters.output)
    return y, SelfAttentionCache(x, attention, context)


def self_attention_backward(
    dy: Array,
    cache: SelfAttentionCache,
    parameters: SelfAttentionParameters,
    gradients: SelfAttentionParameters,
) -> Array:
    """dy (B, T, D) -> dx (B, T, D); writes both projections' gradients."""
    x, attention, context = cache
    heads = attention.query.shape[1]
    dcontext = linear_backward(dy, context, parameters.output, gradients.output)
    dprojected = array_module(dy).empty((*dy.shape[:-1], 3 * dy.shape[-1]), dtype=dy.dtype)  # (B, T, 3D)
    dquery, dkey, dvalue = split_heads(dprojected, 3, heads)
    [dcontext_heads] = split_heads(dcontext, 1, heads)
    attend_backward(dcontext_heads, attention, dquery=dquery, dkey=dkey, dvalue=dvalue)
    return linear_backward(dprojected, x, parameters.query_key_value, gradients.query_key_value)


class CrossAttentionCache(NamedTuple):
    input: Array  # (B, T, D)
    memory: Array  # (B, S, D)
    attention: AttentionCache | BlockedAttentionCache
    context: Array  # (B, T, D)


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
    projected_query = linear_forward(x, parameters.query)  # (B, T, D)
    projected_key_value = linear_forward(memory, parameters.key_value)  # (B, S, 2D)
    [query] = split_heads(projected_query, 1, heads)
    key, value = split_heads(projected_key_value, 2, heads)
    context = array_module(x).empty(x.shape, x.dtype)  # (B, T, D): the heads write into it, side by side
    attention = attend(query, key, value, mask=mask, dropout=dropout, out=split_heads(context, 1, heads)[0])
    y = linear_forward(context, parameters.output)
    return y, CrossAttentionCache(x, memory, attention, context)


def cross_attention_backward(
    dy: Array,
    cache: CrossAttentionCache,
    parameters: CrossAttentionParameters,
    gradients: CrossAttentionParameters,
    *,
    dmemory: Array,
) -> Array:
    """dy (B, T, D) -> dx (B, T, D); writes the three projections' gradients and ADDS to dmemory (B, S, D).

    It adds because every decoder layer attends to the same memory.
    """
    x, memory, attention, context = cache
    xp = array_module(dy)
    heads = attention.query.shape[1]
    dcontext = linear_backward(dy, context, parameters.output, gradients.output)
    dprojected_query = xp.empty_like(dy)  # (B, T, D)
    dprojected_key_value = xp.empty((*memory.shape[:-1], 2 * dy.shape[-1]), dtype=dy.dtype)  # (B, S, 2D)
    [dquery] = split_heads(dprojected_query, 1, heads)
    dkey, dvalue = split_heads(dprojected_key_value, 2, heads)
    [dcontext_heads] = split_heads(dcontext, 1, heads)
    attend_backward(dcontext_heads, attention, dquery=dquery, dkey=dkey, dvalue=dvalue)
    dmemory += linear_backward(dprojected_key_value, memory, parameters.key_value, gradients.key_value)
    return linear_backward(dprojected_query, x, parameters.query, gradients.query)
