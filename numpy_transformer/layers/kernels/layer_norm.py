"""Layer normalization on a GPU: a kernel forward, three backward (layer_norm.cu). Mathematics: layers/layer_norm.py."""

import numpy as np

from numpy_transformer.backend import Array, array_module
from numpy_transformer.layers.kernels.launcher import Kernel, threads_for
from numpy_transformer.layers.layer_norm import EPSILON, LayerNormCache, LayerNormParameters

COLUMNS = 128  # threads of a block that sums columns, one column each
MOST_PARTS = 128  # partial sums of a column


def layer_norm_forward(
    x: Array, parameters: LayerNormParameters, *, epsilon: float = EPSILON
) -> tuple[Array, LayerNormCache]:
    """(..., D) -> (..., D)."""
    xp = array_module(x)
    D = x.shape[-1]
    x = xp.ascontiguousarray(x)
    y, normalized = xp.empty(x.shape, dtype=x.dtype), xp.empty(x.shape, dtype=x.dtype)
    inverse_deviation = xp.empty((*x.shape[:-1], 1), dtype=x.dtype)
    arrays = x, parameters.gain, parameters.bias, normalized, inverse_deviation, y
    FORWARD.launch(x, (inverse_deviation.size,), threads_for(D), *arrays, D, float(epsilon))
    return y, LayerNormCache(normalized, inverse_deviation)


def layer_norm_backward(
    dy: Array, cache: LayerNormCache, parameters: LayerNormParameters, gradients: LayerNormParameters
) -> Array:
    """(..., D) -> dx (..., D); writes gradients.gain and gradients.bias."""
    normalized, inverse_deviation = cache
    xp = array_module(dy)
    N, D = inverse_deviation.size, dy.shape[-1]
    dy = xp.ascontiguousarray(dy)
    dx = xp.empty(dy.shape, dtype=dy.dtype)
    DX.launch(dy, (N,), threads_for(D), dy, normalized, inverse_deviation, parameters.gain, dx, D)

    rows = max(1, -(-N // MOST_PARTS))
    parts, column_blocks = -(-N // rows), -(-D // COLUMNS)
    partial_gain, partial_bias = xp.empty((parts, D), dtype=dy.dtype), xp.empty((parts, D), dtype=dy.dtype)
    PARTIAL_SUMS.launch(dy, (column_blocks, parts), COLUMNS, dy, normalized, partial_gain, partial_bias, N, D, rows)
    TOTAL_SUMS.launch(
        dy, (column_blocks,), COLUMNS, partial_gain, partial_bias, gradients.gain, gradients.bias, parts, D
    )
    return dx


# --- The kernels' NumPy twins ---


def _forward(
    x: Array, gain: Array, bias: Array, normalized: Array, inverse_deviation: Array, y: Array, D: int, epsilon: float
) -> None:
    centered = x - x.sum(axis=-1, keepdims=True) / D
    inverse_deviation[...] = 1 / np.sqrt((centered * centered).sum(axis=-1, keepdims=True) / D + epsilon)
    normalized[...] = centered * inverse_deviation
    y[...] = gain * normalized + bias


def _dx(dy: Array, normalized: Array, inverse_deviation: Array, gain: Array, dx: Array, D: int) -> None:
    dnormalized = dy * gain
    shift = dnormalized.sum(axis=-1, keepdims=True) / D
    stretch = (dnormalized * normalized).sum(axis=-1, keepdims=True) / D
    dx[...] = inverse_deviation * (dnormalized - shift - normalized * stretch)


def _partial_sums(
    dy: Array, normalized: Array, partial_gain: Array, partial_bias: Array, N: int, D: int, rows: int
) -> None:
    dy, normalized = dy.reshape(N, D), normalized.reshape(N, D)
    for part, first in enumerate(range(0, N, rows)):
        partial_gain[part] = (dy[first : first + rows] * normalized[first : first + rows]).sum(axis=0)
        partial_bias[part] = dy[first : first + rows].sum(axis=0)


def _total_sums(partial_gain: Array, partial_bias: Array, dgain: Array, dbias: Array, parts: int, D: int) -> None:
    dgain[...] = partial_gain.sum(axis=0)
    dbias[...] = partial_bias.sum(axis=0)


FORWARD = Kernel("layer_norm", "layer_norm_forward", _forward)
DX = Kernel("layer_norm", "layer_norm_dx", _dx)
PARTIAL_SUMS = Kernel("layer_norm", "layer_norm_partial_sums", _partial_sums)
TOTAL_SUMS = Kernel("layer_norm", "layer_norm_total_sums", _total_sums)
