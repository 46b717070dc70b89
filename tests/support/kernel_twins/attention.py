"""What the kernels of attention.cu write, in NumPy: functions with their names and arguments."""

import math

import numpy as np

from kernel_twins.dropout import drop
from numpy_transformer.backend.arrays import Array
from numpy_transformer.layers.softmax import MASKED_SCORE


def _biased(x: Array, bias: Array | None) -> Array:
    return x if bias is None else x + bias.reshape(x.shape[1], 1, -1)


def _scores(query: Array, key: Array, biases: tuple[Array | None, ...], mask: Array | None) -> Array:
    """(B, H, T, S)."""
    scaled = _biased(query, biases[0]) * query.dtype.type(1 / math.sqrt(query.shape[-1]))
    scores = scaled @ _biased(key, biases[1]).swapaxes(-1, -2)
    return scores if mask is None else np.where(mask, scores, query.dtype.type(MASKED_SCORE))


def attention_forward(
    query: Array,
    key: Array,
    value: Array,
    query_bias: Array | None,
    key_bias: Array | None,
    value_bias: Array | None,
    mask: Array | None,
    context: Array,
    logsum: Array,
    shape: Array,
    steps: Array,
    dropout: Array,
) -> None:
    scores = _scores(query, key, (query_bias, key_bias), mask)
    highest = np.maximum(scores.max(axis=-1, initial=MASKED_SCORE), MASKED_SCORE / 2)
    exponentials = np.exp(scores - highest[..., None])
    total = exponentials.sum(axis=-1)
    seen = total != 0
    weights = exponentials / np.where(seen, total, 1)[..., None]
    logsum[...] = np.where(seen, highest + np.log(total), 0)
    context[...] = drop(weights, dropout) @ _biased(value, value_bias)


def _gradients(
    query: Array,
    key: Array,
    value: Array,
    biases: tuple[Array | None, ...],
    mask: Array | None,
    logsum: Array,
    dcontext: Array,
    inner: Array,
    dropout: Array,
) -> tuple[Array, Array]:
    """(dropped weights, dscores), each (B, H, T, S)."""
    weights = np.exp(_scores(query, key, biases, mask) - logsum[..., None])
    dweights = drop(dcontext @ _biased(value, biases[2]).swapaxes(-1, -2), dropout)
    return drop(weights, dropout), weights * (dweights - inner[..., None])


def attention_backward_query(
    query: Array,
    key: Array,
    value: Array,
    query_bias: Array | None,
    key_bias: Array | None,
    value_bias: Array | None,
    mask: Array | None,
    context: Array,
    logsum: Array,
    dcontext: Array,
    dquery: Array,
    inner: Array,
    shape: Array,
    steps: Array,
    dropout: Array,
) -> None:
    inner[...] = (dcontext * context).sum(axis=-1)
    biases = query_bias, key_bias, value_bias
    _, dscores = _gradients(query, key, value, biases, mask, logsum, dcontext, inner, dropout)
    dquery[...] = dscores @ _biased(key, key_bias) / math.sqrt(query.shape[-1])


def attention_backward_key_value(
    query: Array,
    key: Array,
    value: Array,
    query_bias: Array | None,
    key_bias: Array | None,
    value_bias: Array | None,
    mask: Array | None,
    logsum: Array,
    dcontext: Array,
    inner: Array,
    dkey: Array,
    dvalue: Array,
    shape: Array,
    steps: Array,
    dropout: Array,
) -> None:
    biases = query_bias, key_bias, value_bias
    dropped, dscores = _gradients(query, key, value, biases, mask, logsum, dcontext, inner, dropout)
    dvalue[...] = dropped.swapaxes(-1, -2) @ dcontext
    dkey[...] = dscores.swapaxes(-1, -2) @ _biased(query, query_bias) / math.sqrt(query.shape[-1])
