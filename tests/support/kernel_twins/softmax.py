"""What the kernels of softmax.cu write, in NumPy: functions with their names and arguments."""

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.layers.softmax import MASKED_SCORE


def softmax_forward(
    x: Array,
    y: Array,
    rows: int,
    n: int,
    lanes: int,
    mask: Array | None,
    heads: int,
    queries: int,
    mask_sentence: int,
    mask_head: int,
    mask_query: int,
    mask_key: int,
) -> None:
    if mask is not None:
        x = np.where(mask, x, x.dtype.type(MASKED_SCORE))
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    np.divide(exponentials, exponentials.sum(axis=-1, keepdims=True), out=y)
    if mask is not None:
        y *= mask


def softmax_backward(dy: Array, y: Array, dx: Array, rows: int, n: int, lanes: int) -> None:
    np.multiply(y, dy - (dy * y).sum(axis=-1, keepdims=True), out=dx)
