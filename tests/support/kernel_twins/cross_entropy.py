"""What the kernels of cross_entropy.cu write, in NumPy: functions with their names and arguments."""

import numpy as np

from numpy_transformer.backend.arrays import Array


def cross_entropy_forward(
    logits: Array, targets: Array, probabilities: Array, losses: Array, V: int, label_smoothing: float
) -> None:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    gold = shifted[np.arange(len(targets)), targets]
    exponentials = np.exp(shifted)
    normalizer = exponentials.sum(axis=-1, keepdims=True)
    probabilities[...] = exponentials / normalizer
    mean = shifted.sum(axis=-1) / V
    losses[...] = np.log(normalizer[:, 0]) - (1 - label_smoothing) * gold - label_smoothing * mean


def cross_entropy_backward(
    probabilities: Array, targets: Array, dlogits: Array, V: int, scale: float, label_smoothing: float
) -> None:
    np.subtract(probabilities, label_smoothing / V, out=dlogits)
    dlogits[np.arange(len(targets)), targets] -= 1 - label_smoothing
    dlogits *= scale
