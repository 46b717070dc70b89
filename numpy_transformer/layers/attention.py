"""Scaled dot-product attention: every query takes a weighted mean of the values (section 3.2.1).

    scores  = query key^T / sqrt(K)      (T, S)  how well query t fits key s
    weights = softmax(scores)            (T, S)  each row positive, sums to 1
    context = weights value              (T, K)

T queries meet S keys and values, each a vector of K numbers; sentences B and heads H are leading axes. Dividing by
sqrt(K) keeps the scores' variance near 1 for vectors of K independent unit-variance numbers. Where a mask is False the
query must not see the key: its weight is exactly 0. A query that may see no key at all, in a sentence that is all
padding, has all weights 0 and context 0.

Derivation, for one sentence and head. In indices:

    context_tk = sum_s weights_ts value_sk
    scores_ts  = sum_k query_tk key_sk / sqrt(K)

The first line is a matrix product, so its gradients are matrix products with one factor transposed:

    dvalue_sk   = sum_t weights_ts dcontext_tk        dvalue   = weights^T dcontext
    dweights_ts = sum_k dcontext_tk value_sk          dweights = dcontext value^T

Softmax works on each row (softmax.py):  dscores_ts = weights_ts (dweights_ts - sum_r dweights_tr weights_tr).
A masked key has weight 0, so its dscores is 0 and the mask needs no code of its own in the backward. (With dropout on
the weights, value meets weights * kept / (1 - p), and dweights is multiplied by the same factor.) The second line is a
matrix product again:

    dquery_tk = sum_s dscores_ts key_sk / sqrt(K)     dquery = dscores key / sqrt(K)
    dkey_sk   = sum_t dscores_ts query_tk / sqrt(K)   dkey   = dscores^T query / sqrt(K)
"""

import math
from typing import NamedTuple

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.dropout_masks import DropoutMasks
from numpy_transformer.layers.arithmetic import matmul
from numpy_transformer.layers.dropout import DropoutCache, dropout_backward, dropout_forward
from numpy_transformer.layers.softmax import softmax_backward, softmax_forward


class AttentionCache(NamedTuple):
    query: Array  # (B, H, T, K)
    key: Array  # (B, H, S, K)
    value: Array  # (B, H, S, K)
    weights: Array  # (B, H, T, S), before dropout
    dropped: Array  # (B, H, T, S), after dropout; the same array where there is none
    dropout: DropoutCache | None


def causal_mask(length: int, like: Array) -> Array:
    """(T, T), True where query t may see key s: s <= t. The decoder must not look at words it has yet to generate."""
    positions = array_module(like).arange(length)
    return positions <= positions[:, None]


def scaled_dot_product_attention_forward(
    *,
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    dropout: DropoutMasks | None = None,
    out: Array | None = None,
) -> tuple[Array, AttentionCache]:
    """query (B, H, T, K), key and value (B, H, S, K) -> context (B, H, T, K).

    `mask` is a bool array that broadcasts to (B, H, T, S), True where a query may see a key. `out` receives the
    context. Strided views are fine: no operand is copied as long as the last axis is contiguous.
    """
    scores = matmul(query, key.swapaxes(-1, -2))  # (B, H, T, S)
    scores *= 1 / math.sqrt(query.shape[-1])
    weights, _ = softmax_forward(scores, mask=mask, out=scores)
    dropped, dropout_cache = dropout_forward(weights, dropout)
    context = matmul(dropped, value, out=out)  # (B, H, T, K)
    return context, AttentionCache(query, key, value, weights, dropped, dropout_cache)


def scaled_dot_product_attention_backward(
    dcontext: Array, cache: AttentionCache, *, dquery: Array, dkey: Array, dvalue: Array
) -> None:
    """dcontext (B, H, T, K) -> writes dquery (B, H, T, K), dkey and dvalue (B, H, S, K), which may be strided views."""
    query, key, value, weights, dropped, dropout_cache = cache
    # context = dropped value
    matmul(dropped.swapaxes(-1, -2), dcontext, out=dvalue)
    dweights = dropout_backward(matmul(dcontext, value.swapaxes(-1, -2)), dropout_cache)  # (B, H, T, S)
    # weights = softmax(scores)
    dscores = softmax_backward(dweights, weights)
    # scores = query key^T / sqrt(K)
    dscores *= 1 / math.sqrt(query.shape[-1])
    matmul(dscores, key, out=dquery)
    matmul(dscores.swapaxes(-1, -2), query, out=dkey)
