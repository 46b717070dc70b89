"""What the kernels of adam.cu write, in NumPy: functions with their names and arguments."""

import numpy as np

from numpy_transformer.backend.arrays import Array


def squares(g: Array, partial: Array, n: int) -> None:
    partial[...] = 0
    partial[0] = g @ g


def adam_scalars(
    partial: Array,
    loss: Array,
    updates: Array,
    results: Array,
    scalars: Array,
    parts: int,
    rate: float,
    clip: float,
    beta1: float,
    beta2: float,
) -> None:
    norm = np.sqrt(partial.sum())
    finite = bool(np.isfinite(norm) and np.isfinite(loss))
    updates += finite
    t = max(1, int(updates))
    results[...] = loss, norm, finite
    shrink = clip / norm if norm > clip else 1.0
    scalars[...] = finite, shrink, rate / (1 - beta1**t), 1 / np.sqrt(1 - beta2**t)


def adam_update(
    p: Array, g: Array, m: Array, v: Array, scalars: Array, n: int, beta1: float, beta2: float, epsilon: float
) -> None:
    finite, shrink, step_size, unbias = scalars
    if not finite:
        return
    g = g * shrink
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * (g * g)
    p -= step_size * (m / (unbias * np.sqrt(v) + epsilon))
