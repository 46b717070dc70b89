"""What the kernels of decoder_attention.cu write, in NumPy: functions with their names and arguments."""

import math

import numpy as np

from numpy_transformer.backend.arrays import Array


def decoder_self_attention(
    projected: Array,
    bias: Array,
    cache: Array,
    columns: Array,
    seen: Array,
    context: Array,
    rows: int,
    width: int,
    heads: int,
    K: int,
    lanes: int,
    used: int,
    room: int,
    scale: float,
) -> None:
    D = heads * K
    projected = projected + bias
    sentences = np.arange(rows) // width
    cache[sentences, columns] = projected[:, D:]
    bits = np.unpackbits(np.ascontiguousarray(seen).view("u1"), axis=-1, bitorder="little")
    visible = bits.reshape(rows, -1)[:, :used].astype(bool)
    for row, sentence in enumerate(sentences):
        _attention(projected[row, :D], cache[sentence, :used][visible[row]], context[row], heads, scale)


def decoder_cross_attention(
    projected: Array,
    bias: Array,
    cache: Array,
    lengths: Array,
    context: Array,
    weights: Array | None,
    rows: int,
    width: int,
    heads: int,
    K: int,
    lanes: int,
    longest: int,
    room: int,
    scale: float,
) -> None:
    found = np.zeros((rows, heads, longest), dtype=context.dtype) if weights is None else weights
    found[...] = 0
    visible = np.arange(longest) < np.repeat(lengths, width)[:, None]
    for row, weights_of_row in enumerate(found):
        memory = cache[row // width, :longest][visible[row]]
        weights_of_row[:, visible[row]] = _attention(projected[row] + bias, memory, context[row], heads, scale)


def _attention(query: Array, cache: Array, context: Array, heads: int, scale: float) -> Array:
    """One query (D,) over the columns (n, 2D) that it sees: writes context (D,), returns the weights (H, n)."""
    query = query.reshape(heads, -1)
    key, value = cache.reshape(len(cache), 2, heads, query.shape[1]).transpose(1, 2, 0, 3)  # (H, n, K) each
    scores = scale * np.einsum("hk,hnk->hn", query, key)
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True, initial=-math.inf))
    weights = exponentials / exponentials.sum(axis=1, keepdims=True)
    context.reshape(heads, -1)[...] = np.einsum("hn,hnk->hk", weights, value)
    return weights
