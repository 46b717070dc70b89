"""Softmax on a GPU: one kernel forward, one backward (softmax.cu). Mathematics: layers/softmax.py."""

import numpy as np

from numpy_transformer.backend import Array, array_module
from numpy_transformer.layers.kernels.launcher import Kernel, threads_for
from numpy_transformer.layers.softmax import MASKED_SCORE


def softmax_forward(x: Array, *, mask: Array | None = None, out: Array | None = None) -> tuple[Array, Array]:
    """Rows of (..., n) to weights that sum to 1; the cache is the result. `out` may be x itself.

    `mask` is a bool array that broadcasts to x, False where the weight shall be 0.
    """
    xp = array_module(x)
    if mask is not None:
        if out is x:
            xp.copyto(x, MASKED_SCORE, where=~mask)
        else:
            x = xp.where(mask, x, MASKED_SCORE).astype(x.dtype, copy=False)
        y, _ = softmax_forward(x, out=out)
        y *= mask.any(axis=-1, keepdims=True)  # where everything is masked, all weights were equal
        return y, y
    if out is not None and not out.flags.c_contiguous:
        out[...] = softmax_forward(x)[0]
        return out, out
    n = x.shape[-1]
    y = xp.empty(x.shape, dtype=x.dtype) if out is None else out
    FORWARD.launch(x, (x.size // max(1, n),), threads_for(n), xp.ascontiguousarray(x), y, n)
    return y, y


def softmax_backward(dy: Array, cache: Array) -> Array:
    """dx = y (dy - sum(dy y)) for each row."""
    xp = array_module(dy)
    dy, y = xp.ascontiguousarray(dy), xp.ascontiguousarray(cache)
    n = dy.shape[-1]
    dx = xp.empty(dy.shape, dtype=dy.dtype)
    BACKWARD.launch(dy, (dy.size // max(1, n),), threads_for(n), dy, y, dx, n)
    return dx


# --- The kernels' NumPy twins ---


def _forward(x: Array, y: Array, n: int) -> None:
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    y[...] = exponentials / exponentials.sum(axis=-1, keepdims=True)


def _backward(dy: Array, y: Array, dx: Array, n: int) -> None:
    dx[...] = y * (dy - (dy * y).sum(axis=-1, keepdims=True))


FORWARD = Kernel("softmax", "softmax_forward", _forward)
BACKWARD = Kernel("softmax", "softmax_backward", _backward)
