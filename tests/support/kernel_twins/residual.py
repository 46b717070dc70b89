"""What the kernels of residual.cu write, in NumPy: functions with their names and arguments."""

import numpy as np

from kernel_twins.dropout import drop
from numpy_transformer.backend.arrays import Array


def residual_forward(
    x: Array, update: Array | None, bias: Array | None, y: Array, N: int, D: int, lanes: int, dropout: Array
) -> None:
    y[...] = x
    if update is not None:
        y += drop(update + bias, dropout)


def residual_norm_forward(
    x: Array,
    update: Array | None,
    bias: Array | None,
    gain: Array,
    norm_bias: Array,
    normalized: Array,
    inverse_deviation: Array,
    y: Array,
    N: int,
    D: int,
    lanes: int,
    epsilon: float,
    dropout: Array,
) -> None:
    residual_forward(x, update, bias, y, N, D, lanes, dropout)
    centered = y - y.sum(axis=-1, keepdims=True) / D
    inverse_deviation[...] = 1 / np.sqrt((centered * centered).sum(axis=-1, keepdims=True) / D + epsilon)
    normalized[...] = centered * inverse_deviation
    y[...] = gain * normalized + norm_bias


def residual_backward(
    dy: Array, dupdate: Array, partial: Array, N: int, D: int, lanes: int, rows: int, dropout: Array
) -> None:
    dupdate[...] = drop(dy, dropout)
    _partial_sums(dupdate, partial[0], N, D, rows)


def residual_norm_backward(
    dy: Array,
    normalized: Array,
    inverse_deviation: Array,
    gain: Array,
    dx: Array,
    dupdate: Array,
    partial: Array,
    N: int,
    D: int,
    lanes: int,
    rows: int,
    with_bias: int,
    dropout: Array,
) -> None:
    dnormalized = dy * gain
    shift = dnormalized.sum(axis=-1, keepdims=True) / D
    stretch = (dnormalized * normalized).sum(axis=-1, keepdims=True) / D
    dx[...] = inverse_deviation * (dnormalized - shift - normalized * stretch)
    dupdate[...] = drop(dx, dropout)
    for array, sums in zip((dy * normalized, dy, dupdate)[: 2 + with_bias], partial, strict=True):
        _partial_sums(array, sums, N, D, rows)


def _partial_sums(x: Array, partial: Array, N: int, D: int, rows: int) -> None:
    if N:
        np.add.reduceat(x.reshape(N, D), np.arange(0, N, rows), axis=0, out=partial)
