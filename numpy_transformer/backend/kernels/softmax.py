"""Softmax on a GPU: one kernel forward, one backward (softmax.cu). Mathematics: layers/softmax.py."""

import math

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.gpu_twins import twin_of
from numpy_transformer.backend.kernels.launcher import Kernel, rows_of_eight
from numpy_transformer.layers import softmax


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
    x, n = xp.ascontiguousarray(x), x.shape[-1]
    four = math.prod(x.shape[:-3]), *(1, 1, *x.shape)[-3:]  # the kernel takes at most four axes
    if x.ndim > 4 and mask is not None:
        mask = xp.broadcast_to(mask, x.shape).reshape(four)
    rows = x.size // max(1, n)
    grid, threads, lanes = rows_of_eight(rows, n)
    steps = () if mask is None else xp.broadcast_to(mask, x.shape if x.ndim <= 4 else four).strides  # a bool is a byte
    where = *four[1:3], *(0, 0, 0, 0, *steps)[-4:]
    FORWARD.launch(x, grid, threads, x, y, rows, n, lanes, mask, *where)
    return y, y


@twin_of(softmax.softmax_backward)
def softmax_backward(dy: Array, cache: Array) -> Array:
    """dx = y (dy - sum(dy y)) for each row."""
    xp, n = array_module(dy), dy.shape[-1]
    dx = xp.empty(dy.shape, dtype=dy.dtype)
    rows = dy.size // max(1, n)
    grid, threads, lanes = rows_of_eight(rows, n)
    BACKWARD.launch(dy, grid, threads, xp.ascontiguousarray(dy), xp.ascontiguousarray(cache), dx, rows, n, lanes)
    return dx


FORWARD = Kernel("softmax", "softmax_forward")
BACKWARD = Kernel("softmax", "softmax_backward")
