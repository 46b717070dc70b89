"""Embedding: a token id picks a row of a table; the rows are multiplied by sqrt(D) (section 3.4).

    y_n = sqrt(D) weight[id_n]

The table starts as N(0, D^-1/2), so the scaled rows have unit variance, the size of the sinusoids added to them. One
table serves the source, the target and (transposed) the output projection.

Derivation. Row v is used by every position n with id_n = v, and by no other:

    dweight_v = sqrt(D) sum over {n: id_n = v} of dy_n

The positions that are added (positional_encoding.py) are constants and change nothing in it.
The other two uses of the table add their parts to the same array, so this backward adds instead of assigning.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.twins import gpu_twin
from numpy_transformer.layers.parameters import ParameterSpec, zeros
from numpy_transformer.layers.positional_encoding import positional_encoding_forward


class EmbeddingParameters(NamedTuple):
    weight: Any  # (V, D)
    output_bias: Any = None  # (V,) added to the logits by the output projection, or None as in the paper


def embedding_spec(vocabulary_size: int, d_model: int, *, output_bias: bool = False) -> EmbeddingParameters:
    """Normal with standard deviation D^-1/2; a zero bias if the output projection shall have one."""

    def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        return rng.normal(0, d_model**-0.5, shape)

    bias = ParameterSpec((vocabulary_size,), zeros) if output_bias else None
    return EmbeddingParameters(ParameterSpec((vocabulary_size, d_model), normal), bias)


@gpu_twin(decides="parameters")
def embedding_forward(ids: Array, parameters: EmbeddingParameters) -> tuple[Array, Array]:
    """ids (B, T) of integers -> (B, T, D); the cache is ids."""
    y = parameters.weight[ids]
    y *= math.sqrt(y.shape[-1])
    return y, ids


@gpu_twin(decides="parameters")
def input_embedding_forward(ids: Array, parameters: EmbeddingParameters) -> tuple[Array, Array]:
    """What enters encoder and decoder: the embedding plus positions. The backward is the embedding's."""
    y, ids = embedding_forward(ids, parameters)
    return positional_encoding_forward(y), ids


@gpu_twin()
def embedding_backward(dy: Array, cache: Array, gradients: EmbeddingParameters) -> None:
    """dy (B, T, D) -> ADDS to gradients.weight (V, D). Ids have no derivative."""
    ids = cache.reshape(-1)
    rows = dy.reshape(-1, dy.shape[-1]) * math.sqrt(dy.shape[-1])
    # Sorting brings equal ids together; each run is summed once, in a fixed order.
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    starts = np.flatnonzero(np.diff(ids, prepend=-1))
    gradients.weight[ids[starts]] += np.add.reduceat(rows[order], starts, axis=0)
