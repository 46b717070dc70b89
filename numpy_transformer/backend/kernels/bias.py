"""Bias, ReLU and column sums on a GPU (bias.cu): what kernels/linear.py and kernels/feed_forward.py share."""

import math

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.kernels.launcher import Kernel
from numpy_transformer.backend.kernels.sums import add_up

WARPS = 8
THREADS = 32 * WARPS
ROWS = 32  # of a block that only adds


def add_bias(y: Array, bias: Array, *, relu: bool = False) -> None:
    """y (N, D) <- y + bias (D,), or max(0, y + bias), in place; y has no gaps."""
    N, D = y.shape
    kernel = ADD_BIAS_RELU if relu else ADD_BIAS
    kernel.launch(y, (_column_blocks(y), -(-N // ROWS)), THREADS, y, bias, N, D, ROWS)


def relu_backward(dy: Array, y: Array, *, dbias: Array) -> None:
    """dy (N, D) <- dy where y > 0, else 0, in place; writes its column sums (D,) into `dbias`."""
    _sums(RELU_BACKWARD, (dy, y, dy), out=dbias)


def column_sums(x: Array, *, out: Array) -> None:
    """Writes the sums of the columns of x (N, D) into `out` (D,). Two runs give the same bits."""
    _sums(COLUMN_SUMS, (array_module(x).ascontiguousarray(x),), out=out)


def _sums(kernel: Kernel, arrays: tuple[Array, ...], *, out: Array) -> None:
    """Two stages of about sqrt(N) rows each: many blocks in the first, few steps in the second."""
    x = arrays[0]
    N, D = x.shape
    if N == 0:
        out[...] = 0
        return
    rows = max(WARPS, math.isqrt(N))
    parts, blocks = -(-N // rows), _column_blocks(x)
    partial = array_module(x).empty((parts, D), dtype=x.dtype)
    kernel.launch(x, (blocks, parts), THREADS, *arrays, partial, N, D, rows)
    add_up((partial, out))


def _column_blocks(x: Array) -> int:
    """Each warp covers 32 loads of 16 bytes."""
    return -(-x.shape[1] // (32 * (16 // x.itemsize)))


ADD_BIAS = Kernel("bias", "add_bias")
ADD_BIAS_RELU = Kernel("bias", "add_bias_relu")
COLUMN_SUMS = Kernel("bias", "column_sums")
RELU_BACKWARD = Kernel("bias", "relu_backward")
