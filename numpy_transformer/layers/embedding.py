"""Embedding and positions: what enters encoder and decoder (sections 3.4 and 3.5).

A token id picks a row of a table; the row is multiplied by sqrt(D), and its position's sinusoids are added.

    y_n = sqrt(D) weight[id_n] + encoding[t]
    encoding[t, 2i]     = sin(t / 10000^(2i/D))
    encoding[t, 2i + 1] = cos(t / 10000^(2i/D))

The table starts as N(0, D^-1/2), so the scaled rows have unit variance, the size of the sinusoids added to them. One
table serves the source, the target and (transposed) the output projection.

Attention alone cannot tell word order. Each pair of features turns like a clock hand, from once in 2 pi positions to
once in 10000 * 2 pi; a shift by k positions is the same rotation everywhere, so relative positions are linear maps.

Derivation. Row v is used by every position n with id_n = v, and by no other:

    dweight_v = sqrt(D) sum over {n: id_n = v} of dy_n

The encodings are constants: their dx is dy, and needs no function. The other two uses of the table add their parts to
the same array, so this backward adds instead of assigning.

The factor is there to give the rows the size of the sinusoids. GPT-2 and BERT learn their positions
(learned_positions.py), which take the size that fits, and multiply by 1: the argument `scale`.
"""

import math
from typing import NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.layers.parameters import normal, parameter
from numpy_transformer.layers.position_table import encodings


class EmbeddingParameters(NamedTuple):
    weight: Array  # (V, D)


def embedding_spec(vocabulary_size: int, d_model: int, *, deviation: float | None = None) -> EmbeddingParameters:
    """Normal with standard deviation D^-1/2, or another one."""
    return EmbeddingParameters(parameter((vocabulary_size, d_model), normal(deviation or d_model**-0.5)))


def embedding_forward(ids: Array, parameters: EmbeddingParameters, *, scale: float | None = None) -> Array:
    """ids (B, T) of integers -> (B, T, D), times `scale`, by default sqrt(D). The backward needs the ids again."""
    y = parameters.weight[ids]
    y *= math.sqrt(y.shape[-1]) if scale is None else scale
    return y


def input_embedding_forward(ids: Array, parameters: EmbeddingParameters) -> Array:
    """What enters encoder and decoder: the embedding plus positions. The backward is the embedding's."""
    return positional_encoding_forward(embedding_forward(ids, parameters))


def positional_encoding_forward(x: Array, *, start: int = 0) -> Array:
    """x (..., T, D) plus the encodings of positions start .. start + T - 1."""
    return x + encodings(start, start + x.shape[-2], x)


def embedding_backward(dy: Array, ids: Array, gradients: EmbeddingParameters, *, scale: float | None = None) -> None:
    """dy (B, T, D) -> ADDS to gradients.weight (V, D). Ids have no derivative.

    The derivation in one line is np.add.at(gradients.weight, ids, sqrt(D) * dy). It handles one row at a time;
    `add_rows` does the same several times as fast.
    """
    factor = math.sqrt(dy.shape[-1]) if scale is None else scale
    rows = dy.reshape(-1, dy.shape[-1]) * factor
    add_rows(gradients.weight, ids.reshape(-1), rows)


def add_rows(table: Array, ids: Array, rows: Array) -> None:
    """table[ids[n]] += rows[n] for every n. Sorting brings equal ids together; each run is summed once, in order."""
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    starts = np.flatnonzero(np.diff(ids, prepend=-1))
    table[ids[starts]] += np.add.reduceat(rows[order], starts, axis=0)
