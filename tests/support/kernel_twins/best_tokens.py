"""What the kernels of best_tokens.cu write, in NumPy: functions with their names and arguments."""

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.kernels.best_tokens import NOBODY


def best_tokens(
    logits: Array,
    forbidden: Array | None,
    at_limit: Array | None,
    found: Array,
    V: int,
    stride: int,
    count: int,
    pad: int,
    bos: int,
    eos: int,
    impossible: float,
) -> None:
    top = logits.max(axis=1, keepdims=True)
    found[:, 0] = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
    barred = np.zeros(logits.shape, dtype=bool) if forbidden is None else forbidden.copy()
    for token in (pad, bos):
        if token != NOBODY:
            barred[:, token] = True
    if at_limit is not None:
        barred |= at_limit[:, None] & (np.arange(V) != eos)
    allowed = np.where(barred, impossible, logits)
    tokens = np.argsort(-allowed, axis=1, kind="stable")[:, :count]
    found[:, 1 : 1 + count] = np.take_along_axis(allowed, tokens, axis=1)
    found[:, 1 + count :] = tokens
