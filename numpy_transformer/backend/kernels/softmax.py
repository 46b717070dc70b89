"""Softmax on a GPU, alone or with attention's scale, mask and dropout: one kernel forward, one backward (softmax.cu).

Mathematics: layers/softmax.py and layers/attention.py.
"""

import math

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.dropout_masks import DropoutSite
from numpy_transformer.backend.gpu_twins import twin_of
from numpy_transformer.backend.kernels.dropout import drop, dropout_argument
from numpy_transformer.backend.kernels.launcher import Kernel, rows_of_eight
from numpy_transformer.backend.kernels.structs import Struct
from numpy_transformer.layers import softmax
from numpy_transformer.layers.softmax import MASKED_SCORE


@twin_of(softmax.softmax_forward)
def softmax_forward(x: Array, *, mask: Array | None = None, out: Array | None = None) -> tuple[Array, Array]:
    """Rows of (..., n) to weights that sum to 1; the cache is the result. `out` may be x itself.

    `mask` is a bool array that broadcasts to x, False where the weight must be 0.
    """
    xp = array_module(x)
    if out is not None and not out.flags.c_contiguous:
        out[...] = softmax_forward(x, mask=mask)[0]
        return out, out
    y = xp.empty(x.shape, dtype=x.dtype) if out is None else out
    x, four = xp.ascontiguousarray(x), (math.prod(x.shape[:-3]), *x.shape[-3:])  # the kernel takes at most four axes
    if x.ndim > 4 and mask is not None:
        mask = xp.broadcast_to(mask, x.shape).reshape(four)
    weights_of(x.reshape(four), weights=y.reshape(four), mask=mask)
    return y, y


@twin_of(softmax.softmax_backward)
def softmax_backward(dy: Array, cache: Array) -> Array:
    """dx = y (dy - sum(dy y)) for each row."""
    xp = array_module(dy)
    dx = xp.empty(dy.shape, dtype=dy.dtype)
    scores_backward(xp.ascontiguousarray(dy), xp.ascontiguousarray(cache), dscores=dx)
    return dx


def weights_of(
    scores: Array,
    *,
    weights: Array,
    scale: float = 1.0,
    mask: Array | None = None,
    dropped: Array | None = None,
    site: DropoutSite | None = None,
) -> None:
    """weights = softmax(scale scores) over the visible keys and dropped = dropout(weights).

    All have up to four axes and evenly spaced rows, and weights may be scores. A bool mask broadcasts to
    them. `dropped` is None where `site` is.
    """
    rows, n, stride = _rows(scores)
    grid, threads, lanes = rows_of_eight(rows, n)
    steps = () if mask is None else array_module(scores).broadcast_to(mask, scores.shape).strides  # a bool is a byte
    where = *(1, 1, *scores.shape)[-3:-1], *(0, 0, 0, 0, *steps)[-4:]
    sizes = rows, n, stride, lanes, float(scale)
    FORWARD.launch(scores, grid, threads, scores, weights, dropped, *sizes, mask, *where, dropout_argument(site))


def scores_backward(
    ddropped: Array,
    weights: Array,
    *,
    dscores: Array,
    scale: float = 1.0,
    dropped: Array | None = None,
    site: DropoutSite | None = None,
) -> None:
    """ddropped -> writes dscores, which may be ddropped, and recomputes what the forward left in `dropped`."""
    rows, n, stride = _rows(weights)
    grid, threads, lanes = rows_of_eight(rows, n)
    arrays = ddropped, weights, dscores, dropped
    BACKWARD.launch(weights, grid, threads, *arrays, rows, n, stride, lanes, float(scale), dropout_argument(site))


def _rows(x: Array) -> tuple[int, int, int]:
    """(rows, their length, from the start of one to the next)."""
    n = x.shape[-1]
    distances = [stride // x.itemsize for size, stride in zip(x.shape[:-1], x.strides[:-1], strict=True) if size > 1]
    return x.size // max(1, n), n, distances[-1] if distances else n


# --- The kernels' NumPy twins ---


def _forward(
    scores: Array,
    weights: Array,
    dropped: Array | None,
    rows: int,
    n: int,
    stride: int,
    lanes: int,
    scale: float,
    mask: Array | None,
    heads: int,
    queries: int,
    mask_sentence: int,
    mask_head: int,
    mask_query: int,
    mask_key: int,
    dropout: Struct,
) -> None:
    x = scores * scale
    if mask is not None:
        np.copyto(x, MASKED_SCORE, where=~mask)
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    np.divide(exponentials, exponentials.sum(axis=-1, keepdims=True), out=weights)
    if mask is not None:
        weights *= mask
    if dropped is not None:
        dropped[...] = drop(weights, dropout)


def _backward(
    ddropped: Array,
    weights: Array,
    dscores: Array,
    dropped: Array | None,
    rows: int,
    n: int,
    stride: int,
    lanes: int,
    scale: float,
    dropout: Struct,
) -> None:
    dweights = drop(ddropped, dropout)
    np.multiply(scale * weights, dweights - (dweights * weights).sum(axis=-1, keepdims=True), out=dscores)
    if dropped is not None:
        dropped[...] = drop(weights, dropout)


FORWARD = Kernel("softmax", "softmax_forward", _forward)
BACKWARD = Kernel("softmax", "softmax_backward", _backward)
