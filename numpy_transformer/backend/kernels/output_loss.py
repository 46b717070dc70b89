"""Output projection and loss on a GPU: large chunks, and one kernel that turns logits into their gradient in place.

Mathematics: layers/output_loss.py. The rows of the logits are padded to a multiple of 64 numbers, in this buffer only:
tensor cores want rows that begin at aligned addresses, and kernels move 16 bytes at once. The padding is never read,
and the vocabulary, the parameters and their files know nothing of it.

A row stays in shared memory between its two passes if a multiprocessor has room for two: one block then loads while
the other computes.
"""

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.gpu_twins import twin_of
from numpy_transformer.backend.kernels.arithmetic import add_product, matmul
from numpy_transformer.backend.kernels.launcher import Kernel, shared_memory, threads_for
from numpy_transformer.layers import output_loss as reference
from numpy_transformer.layers.output_loss import OutputParameters

LOGITS = 1 << 27  # at most in memory at once: 512 MiB of float32
PADDED_TO = 64
SHARED_BESIDES = 2048  # bytes of shared memory that a block has besides the row
LONG_ROW = 8192  # longer ones get the largest blocks: fewer rows at once, which the second-level cache then holds


@twin_of(reference.output_loss)
def output_loss(
    x: Array, parameters: OutputParameters, targets: Array, *, label_smoothing: float, token_count: int
) -> Array:
    """x (N, D), targets (N,) -> the loss, a scalar array."""
    loss, _ = _loss(x, parameters, targets, None, label_smoothing=label_smoothing, token_count=token_count)
    return loss


@twin_of(reference.output_loss_and_gradients)
def output_loss_and_gradients(
    x: Array,
    parameters: OutputParameters,
    targets: Array,
    gradients: OutputParameters,
    *,
    label_smoothing: float,
    token_count: int,
) -> tuple[Array, Array]:
    """x (N, D), targets (N,) -> the loss, a scalar array, and dx (N, D); ASSIGNS the gradients."""
    loss, dx = _loss(x, parameters, targets, gradients, label_smoothing=label_smoothing, token_count=token_count)
    assert dx is not None
    return loss, dx


def _loss(
    x: Array,
    parameters: OutputParameters,
    targets: Array,
    gradients: OutputParameters | None,
    *,
    label_smoothing: float,
    token_count: int,
) -> tuple[Array, Array | None]:
    """Both of the above; without `gradients` only the loss is computed and dx is None."""
    xp = array_module(x)
    weight, bias = parameters
    N, V = len(targets), len(weight)
    dx = None if gradients is None else xp.empty_like(x)
    if N == 0:
        for gradient in gradients or ():
            if gradient is not None:
                gradient[...] = 0
        return xp.zeros((), dtype=x.dtype), dx
    stride = -(-V // PADDED_TO) * PADDED_TO
    chunk = min(N, max(PADDED_TO, LOGITS // stride))
    buffer, losses = xp.empty((chunk, stride), dtype=x.dtype), xp.empty((N,), dtype=x.dtype)
    targets = xp.ascontiguousarray(targets).astype("int64", copy=False)
    kept = stride * x.itemsize if gradients is not None else 0  # bytes of a row
    if kept > shared_memory(xp) // 2 - SHARED_BESIDES:
        kept = 0
    threads = 1024 if V > LONG_ROW else threads_for(V)
    for start in range(0, N, chunk):
        rows = slice(start, min(start + chunk, N))
        n = rows.stop - start
        logits = matmul(x[rows], weight.T, out=buffer[:n, :V])
        if bias is not None:
            logits += bias
        arrays = logits, targets[rows], losses[rows]
        numbers = V, stride, int(gradients is not None), 1 / token_count, float(label_smoothing)
        IN_PLACE.launch(x, (n,), threads, *arrays, *numbers, int(kept > 0), shared=kept)
        if gradients is None or dx is None:
            continue
        dlogits = logits
        matmul(dlogits, weight, out=dx[rows])
        if start == 0:
            matmul(dlogits.T, x[rows], out=gradients.weight)
            if gradients.bias is not None:
                gradients.bias[...] = dlogits.sum(axis=0)
        else:
            add_product(dlogits.T, x[rows], to=gradients.weight)
            if gradients.bias is not None:
                gradients.bias[...] += dlogits.sum(axis=0)
    return losses.sum() / token_count, dx


IN_PLACE = Kernel("cross_entropy", "cross_entropy_in_place")
