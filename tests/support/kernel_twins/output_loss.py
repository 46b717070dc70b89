"""What the kernels of cross_entropy.cu write, in NumPy: functions with their names and arguments."""

import numpy as np

from numpy_transformer.backend.arrays import Array


def cross_entropy_in_place(
    logits: Array,
    targets: Array,
    losses: Array,
    V: int,
    stride: int,
    with_gradient: int,
    scale: float,
    label_smoothing: float,
    keeps: int,
) -> None:
    rows = np.arange(len(targets))
    gold = logits[rows, targets]
    shifted = logits - logits.max(axis=-1, keepdims=True)
    mean = (logits - gold[:, None]).sum(axis=-1) / V
    exponentials = np.exp(shifted)
    normalizer = exponentials.sum(axis=-1, keepdims=True)
    losses[...] = np.log(normalizer[:, 0]) - shifted[rows, targets] - label_smoothing * mean
    if with_gradient:
        logits[...] = scale * (exponentials / normalizer - label_smoothing / V)
        logits[rows, targets] -= scale * (1 - label_smoothing)
