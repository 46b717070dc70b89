"""Label-smoothed cross-entropy on a GPU: one kernel forward, one backward (cross_entropy.cu), both in place if asked.

Mathematics: layers/cross_entropy.py.
"""

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.gpu_twins import twin_of
from numpy_transformer.backend.kernels.launcher import Kernel, threads_for
from numpy_transformer.layers import cross_entropy
from numpy_transformer.layers.cross_entropy import CrossEntropyCache


@twin_of(cross_entropy.cross_entropy_forward)
def cross_entropy_forward(
    logits: Array, targets: Array, *, label_smoothing: float, token_count: int, out: Array | None = None
) -> tuple[Array, CrossEntropyCache]:
    """logits (N, V), targets (N,) integer ids, already checked -> the loss, a scalar array.

    `out` is C-contiguous and may be `logits` itself.
    """
    xp = array_module(logits)
    N, V = logits.shape
    probabilities = xp.empty(logits.shape, dtype=logits.dtype) if out is None else out
    losses = xp.empty((N,), dtype=logits.dtype)
    targets = xp.ascontiguousarray(targets).astype("int64", copy=False)
    arrays = xp.ascontiguousarray(logits), targets, probabilities, losses
    FORWARD.launch(logits, (N,), threads_for(V), *arrays, V, float(label_smoothing))
    return losses.sum() / token_count, CrossEntropyCache(probabilities, targets, label_smoothing, token_count)


@twin_of(cross_entropy.cross_entropy_backward)
def cross_entropy_backward(dloss: float, cache: CrossEntropyCache, *, out: Array | None = None) -> Array:
    """-> dlogits (N, V) = dloss (p - q) / token_count. `out` may be the cached probabilities, which are then lost."""
    probabilities, targets, label_smoothing, token_count = cache
    N, V = probabilities.shape
    dlogits = array_module(probabilities).empty(probabilities.shape, dtype=probabilities.dtype) if out is None else out
    scale = float(dloss / token_count)
    BACKWARD.launch(
        probabilities, (N,), threads_for(V), probabilities, targets, dlogits, V, scale, float(label_smoothing)
    )
    return dlogits


FORWARD = Kernel("cross_entropy", "cross_entropy_forward")
BACKWARD = Kernel("cross_entropy", "cross_entropy_backward")
