"""Clipping and Adam on a GPU, three launches for all parameters (adam.cu). Mathematics: optimizer.py.

Whether the step is finite, the gradient's norm, and the number of updates so far are known only on the card.
"""

import math

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.kernels.launcher import Kernel

THREADS = 256
MOST_BLOCKS = 1024  # enough to fill any card; a fixed number, so that sums have one order on all of them


def guarded_adam_update(
    parameters: Array,
    gradients: Array,
    first_moment: Array,
    second_moment: Array,
    *,
    beta1: float,
    beta2: float,
    epsilon: float,
    loss: Array,
    updates: Array,
    results: Array,
    rate: float,
    clip: float | None = None,
) -> None:
    """Adam in place on flat buffers (n,), gradients clipped to the norm `clip`; no change if the step is not finite.

    `loss` is a scalar array; `updates` (int64 scalar) is incremented; `results` (3,), float64, receives the loss, the
    gradient's norm before clipping, and 1 if the step was made, else 0.
    """
    xp = array_module(parameters)
    n = len(parameters)
    blocks = max(1, min(MOST_BLOCKS, -(-n // THREADS)))
    partial, scalars = xp.empty((blocks,), dtype="float64"), xp.empty((4,), dtype=parameters.dtype)
    SQUARES.launch(parameters, (blocks,), THREADS, gradients, partial, n)
    limit = math.inf if clip is None else float(clip)
    arrays = partial, loss, updates, results, scalars
    SCALARS.launch(parameters, (1,), THREADS, *arrays, blocks, float(rate), limit, beta1, beta2)
    buffers = parameters, gradients, first_moment, second_moment
    UPDATE.launch(parameters, (blocks,), THREADS, *buffers, scalars, n, beta1, beta2, epsilon)


SQUARES = Kernel("adam", "squares")
SCALARS = Kernel("adam", "adam_scalars")
UPDATE = Kernel("adam", "adam_update")
