"""Embedding on a GPU (embedding.cu): one kernel forward, with positions or without; backward a sort and two kernels.

Mathematics: layers/embedding.py. Ids were checked on the host: a kernel would silently read foreign memory.
"""

import math

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.gpu_twins import twin_of
from numpy_transformer.backend.kernels.launcher import Kernel, threads_for
from numpy_transformer.layers import embedding
from numpy_transformer.layers.embedding import EmbeddingParameters
from numpy_transformer.layers.position_table import encodings

WINDOW = 32  # one block sums at most this many rows of the gradient, in order


@twin_of(embedding.embedding_forward)
def embedding_forward(ids: Array, parameters: EmbeddingParameters, *, scale: float | None = None) -> Array:
    """ids (B, T) of integers -> (B, T, D); `scale`: by default sqrt(D)."""
    weight = parameters.weight
    D = weight.shape[1]
    y = array_module(weight).empty((*ids.shape, D), dtype=weight.dtype)
    factor = math.sqrt(D) if scale is None else float(scale)
    FORWARD.launch(weight, (ids.size,), threads_for(D), weight, _wide(ids), y, D, factor)
    return y


@twin_of(embedding.input_embedding_forward)
def input_embedding_forward(ids: Array, parameters: EmbeddingParameters) -> Array:
    """ids (B, T) of integers -> (B, T, D), the positions 0 to T - 1 added."""
    weight = parameters.weight
    T, D = ids.shape[1], weight.shape[1]
    y = array_module(weight).empty((*ids.shape, D), dtype=weight.dtype)
    arrays = weight, _wide(ids), encodings(0, T, y), y
    INPUT_FORWARD.launch(weight, (ids.size,), threads_for(D), *arrays, T, D, math.sqrt(D))
    return y


def placed_embedding(ids: Array, positions: Array, parameters: EmbeddingParameters, *, length: int) -> Array:
    """ids (R,) and where they stand, positions (R,) below `length` -> (R, D), scaled, the positions added."""
    weight = parameters.weight
    D = weight.shape[1]
    y = array_module(weight).empty((len(ids), D), dtype=weight.dtype)
    arrays = weight, ids, encodings(0, length, y), positions, y
    PLACED_FORWARD.launch(weight, (len(ids),), threads_for(D), *arrays, D, math.sqrt(D))
    return y


@twin_of(embedding.embedding_backward)
def embedding_backward(dy: Array, ids: Array, gradients: EmbeddingParameters, *, scale: float | None = None) -> None:
    """dy (B, T, D) -> ADDS to gradients.weight (V, D). Ids have no derivative."""
    xp = array_module(dy)
    ids, D = _wide(ids).reshape(-1), dy.shape[-1]
    N = len(ids)
    if N == 0:
        return
    order = xp.argsort(ids, kind="stable")
    ids = ids[order]
    windows = -(-N // WINDOW)
    partial = xp.empty((2 * windows, D), dtype=dy.dtype)
    arrays = xp.ascontiguousarray(dy), ids, order, gradients.weight, partial
    factor = math.sqrt(D) if scale is None else float(scale)
    PIECES.launch(dy, (N,), threads_for(D), *arrays, N, D, WINDOW, factor)
    RUNS.launch(dy, (windows,), threads_for(D), ids, partial, gradients.weight, N, D, WINDOW)


def _wide(ids: Array) -> Array:
    """Ids as the kernels read them: int64, without gaps."""
    return array_module(ids).ascontiguousarray(ids).astype("int64", copy=False)


FORWARD = Kernel("embedding", "embedding_forward")
INPUT_FORWARD = Kernel("embedding", "input_embedding_forward")
PLACED_FORWARD = Kernel("embedding", "placed_embedding_forward")
PIECES = Kernel("embedding", "embedding_pieces")
RUNS = Kernel("embedding", "embedding_runs")
