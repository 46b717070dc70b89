"""Attention in blocks: the same function as attention.py, in memory that grows with the length, not with its square.

The plain form holds T x S weights for each head: 0.5 GB at 4,096 tokens and 8 heads. Here a block of queries meets one
block of keys at a time, and no weight outlives its block (Dao et al. 2022, FlashAttention). Two ideas make that exact.

1. The online softmax (Milakov and Gimelshein 2018). A row's weighted mean is a quotient of two sums over the keys,

    context_t = sum_s exp(scores_ts - m) value_s / sum_s exp(scores_ts - m)        for any number m

Both sums can be taken block by block. m, the largest score so far, keeps the exponentials from overflowing; when a
block raises it from m to m', the sums so far are multiplied by exp(m - m').

2. Recomputation. The forward keeps one number per row, logsum_t = log sum_s exp(scores_ts). From it the backward
recomputes any block of weights, without a second pass for the maximum:  weights_ts = exp(scores_ts - logsum_t).

Derivation. That of attention.py, block by block: dvalue, dquery and dkey are sums over blocks. Only softmax's inner
product needs a whole row of weights, and it equals one that does not:

    sum_s dweights_ts weights_ts = sum_s sum_k dcontext_tk value_sk weights_ts = sum_k dcontext_tk context_tk

so  dscores_ts = weights_ts (dweights_ts - dcontext_t . context_t).

A masked score becomes a large negative number, whose exponential is 0. A query that may see no key has both sums 0; its
context is 0. Blocks hidden from all their queries (the future, under a causal mask) are skipped.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.dropout_masks import DropoutMasks
from numpy_transformer.layers.arithmetic import matmul, row_dot, row_max
from numpy_transformer.layers.attention import (
    AttentionCache,
    scaled_dot_product_attention_backward,
    scaled_dot_product_attention_forward,
)
from numpy_transformer.layers.softmax import MASKED_SCORE

# Queries and keys of a block: large enough for fast matrix products, small enough that the block's scores stay in the
# cache between the passes over them.
BLOCK = 512


class BlockedAttentionCache(NamedTuple):
    query: Array  # (B, H, T, K)
    key: Array  # (B, H, S, K)
    value: Array  # (B, H, S, K)
    context: Array  # (B, H, T, K)
    logsum: Array  # (B, H, T, 1); 0 for a query that may see no key
    mask: Array | None  # broadcasts to (B, H, T, S)
    block: int


def blocked_attention_forward(
    *,
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    out: Array | None = None,
    block: int = BLOCK,
) -> tuple[Array, BlockedAttentionCache]:
    """query (B, H, T, K), key and value (B, H, S, K) -> context (B, H, T, K), like the plain form without dropout.

    `mask` is a bool array that broadcasts to (B, H, T, S), True where a query may see a key. `out` receives the
    context.
    """
    xp = array_module(query)
    context = xp.empty(query.shape, query.dtype) if out is None else out
    scale = 1 / math.sqrt(query.shape[-1])
    logsum = xp.zeros((*query.shape[:-1], 1), query.dtype)
    for rows in _blocks(query.shape[-2], block):
        scaled_query = query[..., rows, :] * scale
        # Initially below every real score and above every masked one.
        highest = xp.full(logsum[..., rows, :].shape, MASKED_SCORE / 2, query.real.dtype)
        total = xp.zeros(highest.shape, query.dtype)  # sum_s exp(scores - highest)
        weighted = xp.zeros(query[..., rows, :].shape, query.dtype)  # sum_s exp(scores - highest) value
        for columns, visible in _visible_blocks(key.shape[-2], mask, rows, block):
            scores = _scores(scaled_query, key[..., columns, :], visible)
            higher = xp.maximum(highest, row_max(scores))
            scores -= higher
            exponentials = xp.exp(scores, out=scores)
            rescale = xp.exp(highest - higher)
            total *= rescale
            total += exponentials.sum(axis=-1, keepdims=True)
            weighted *= rescale
            weighted += matmul(exponentials, value[..., columns, :])
            highest = higher
        seen = total != 0
        total[~seen] = 1
        xp.divide(weighted, total, out=context[..., rows, :])
        logsum[..., rows, :] = xp.where(seen, highest + xp.log(total), 0)
    return context, BlockedAttentionCache(query, key, value, context, logsum, mask, block)


def blocked_attention_backward(
    dcontext: Array, cache: BlockedAttentionCache, *, dquery: Array, dkey: Array, dvalue: Array
) -> None:
    """dcontext (B, H, T, K) -> writes dquery (B, H, T, K), dkey and dvalue (B, H, S, K), which may be strided views."""
    query, key, value, context, logsum, mask, block = cache
    xp = array_module(dcontext)
    scale = 1 / math.sqrt(query.shape[-1])
    dquery[...] = dkey[...] = dvalue[...] = 0
    for rows in _blocks(query.shape[-2], block):
        scaled_query = query[..., rows, :] * scale
        dcontext_rows = dcontext[..., rows, :]
        inner = row_dot(dcontext_rows, context[..., rows, :])  # dcontext_t . context_t
        for columns, visible in _visible_blocks(key.shape[-2], mask, rows, block):
            scores = _scores(scaled_query, key[..., columns, :], visible)
            scores -= logsum[..., rows, :]
            weights = xp.exp(scores, out=scores)
            dvalue[..., columns, :] += matmul(weights.swapaxes(-1, -2), dcontext_rows)
            dscores = matmul(dcontext_rows, value[..., columns, :].swapaxes(-1, -2))  # dweights, so far
            dscores -= inner
            dscores *= weights
            dquery[..., rows, :] += matmul(dscores, key[..., columns, :])
            dkey[..., columns, :] += matmul(dscores.swapaxes(-1, -2), scaled_query)
    dquery *= scale


def blocked_attention_weights(cache: BlockedAttentionCache) -> Array:
    """All the weights (B, H, T, S) at once, for inspection."""
    query, key, _, _, logsum, mask, _ = cache
    visible = None if mask is None else array_module(query).broadcast_to(mask, (*query.shape[:-1], key.shape[-2]))
    scores = _scores(query * (1 / math.sqrt(query.shape[-1])), key, visible)
    scores -= logsum
    return array_module(query).exp(scores, out=scores)


def _scores(scaled_query: Array, key: Array, visible: Array | None) -> Array:
    """The scores of one block, masked where `visible` is False.

    The queries are already scaled by 1/sqrt(K): the same as scaling their scores, with fewer numbers.
    """
    xp = array_module(scaled_query)
    scores = matmul(scaled_query, key.swapaxes(-1, -2))
    if visible is not None:
        xp.copyto(scores, MASKED_SCORE, where=~visible)
    return scores


def _blocks(length: int, block: int) -> Iterator[slice]:
    return (slice(start, min(start + block, length)) for start in range(0, length, block))


def _visible_blocks(length: int, mask: Array | None, rows: slice, block: int) -> Iterator[tuple[slice, Array | None]]:
    """The blocks of keys that some query of `rows` may see, each with its part of the mask, None if all is visible."""
    for columns in _blocks(length, block):
        # An axis of length 1 stands for all queries.
        part = None if mask is None else mask[..., rows if mask.shape[-2] > 1 else slice(None), columns]
        if part is None or part.all():
            yield columns, None
        elif part.any():
            yield columns, part


# --- Choosing between the two forms ---

# From this many keys, attention works in blocks: as fast here as the plain form, in a quarter of the memory; at 4,096
# keys 2.5 times as fast, in a fiftieth (benchmarks/results/attention.txt).
BLOCKED_FROM = 1024


def attend(
    query: Array, key: Array, value: Array, *, mask: Array | None, dropout: DropoutMasks | None, out: Array
) -> AttentionCache | BlockedAttentionCache:
    """Attention, plain or in blocks, written into `out` (B, H, T, K).

    Long sentences go through the blocked form, unless there is dropout on the weights, whose masks are drawn whole.
    """
    if key.shape[-2] >= BLOCKED_FROM and dropout is None:
        return blocked_attention_forward(query=query, key=key, value=value, mask=mask, out=out)[1]
    return scaled_dot_product_attention_forward(query=query, key=key, value=value, mask=mask, dropout=dropout, out=out)[
        1
    ]


def attend_backward(
    dcontext: Array, cache: AttentionCache | BlockedAttentionCache, *, dquery: Array, dkey: Array, dvalue: Array
) -> None:
    """The backward for this cache: dcontext (B, H, T, K) -> writes dquery, dkey and dvalue."""
    if isinstance(cache, BlockedAttentionCache):
        blocked_attention_backward(dcontext, cache, dquery=dquery, dkey=dkey, dvalue=dvalue)
    else:
        scaled_dot_product_attention_backward(dcontext, cache, dquery=dquery, dkey=dkey, dvalue=dvalue)


def attention_weights(cache: AttentionCache | BlockedAttentionCache) -> Array:
    """The weights (B, H, T, S) of an attention, for inspection."""
    return blocked_attention_weights(cache) if isinstance(cache, BlockedAttentionCache) else cache.weights
