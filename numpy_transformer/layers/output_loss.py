"""Output projection and loss in one, forward and backward, without ever holding all logits (sections 3.4 and 5.4).

    logits = x E^T (+ b)            (N, V), with E the embedding table (V, D), b its output bias if there is one
    loss   = cross_entropy(logits)

Derivation. A linear layer, so with dlogits from cross_entropy.py:

    dx = dlogits E        dE = dlogits^T x        db = sum_n dlogits_n

N x V logits are by far the largest array of a training step (8,192 tokens, V = 37,000: 1.2 GB in float32). The loss is
where backpropagation turns around, so a chunk of rows can go forward and back at once, and its logits be forgotten:
per chunk one product makes the logits, cross-entropy turns them into their gradient in place, and two products use it.
"""

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.twins import gpu_twin
from numpy_transformer.layers.cross_entropy import cross_entropy_backward, cross_entropy_forward
from numpy_transformer.layers.embedding import EmbeddingParameters
from numpy_transformer.layers.matmul import matmul

# Rows per matrix product: enough to keep BLAS busy and to add into dE rarely.
PRODUCT_ROWS = 1024
# Up to so many rows, as when one sentence is translated, E x^T is faster than x E^T: BLAS rearranges the right factor.
FEW_ROWS = 8
# Logits per pass of cross-entropy on a CPU: its several passes over the same rows then stay within the cache.
CACHED_LOGITS = 1 << 18


def output_projection(x: Array, parameters: EmbeddingParameters, *, out: Array | None = None) -> Array:
    """Logits x E^T, plus the bias if there is one. (..., D) -> (..., V); `out` (N, V) receives them if it is given."""
    rows = x.reshape(-1, x.shape[-1])
    if 1 < len(rows) <= FEW_ROWS:
        logits = array_module(x).empty((len(rows), len(parameters.weight)), dtype=x.dtype) if out is None else out
        logits[...] = matmul(parameters.weight, rows.T).T
    else:
        logits = matmul(rows, parameters.weight.T, out=out)
    logits = logits.reshape(*x.shape[:-1], len(parameters.weight))
    if parameters.output_bias is not None:
        logits += parameters.output_bias
    return logits


@gpu_twin()
def output_loss(
    x: Array,
    parameters: EmbeddingParameters,
    targets: Array,
    *,
    label_smoothing: float,
    token_count: int,
    gradients: EmbeddingParameters | None,
) -> tuple[Array, Array | None]:
    """x (N, D), targets (N,) -> the loss (scalar array) and dx (N, D); ASSIGNS gradients.weight (V, D) and its bias.

    With gradients=None only the loss is computed and dx is None.
    """
    xp = array_module(x)
    N, V = len(targets), len(parameters.weight)
    total = xp.zeros((), dtype=x.dtype)
    dx = None if gradients is None else xp.empty_like(x)
    if gradients is not None and N == 0:
        gradients.weight[...] = 0
    buffer = xp.empty((min(N, PRODUCT_ROWS), V), dtype=x.dtype)  # the logits of one chunk after the other
    partial = None
    if gradients is not None and gradients.output_bias is not None:
        gradients.output_bias[...] = 0
    for start in range(0, N, PRODUCT_ROWS):
        rows = slice(start, min(start + PRODUCT_ROWS, N))
        logits = output_projection(x[rows], parameters, out=buffer[: rows.stop - start])  # (n, V)
        total += _loss_and_gradient_in_place(
            logits, targets[rows], V, label_smoothing, token_count, gradients is not None
        )
        if gradients is None or dx is None:
            continue
        dlogits = logits
        matmul(dlogits, parameters.weight, out=dx[rows])
        if gradients.output_bias is not None:
            gradients.output_bias[...] += dlogits.sum(axis=0)
        if start == 0:
            matmul(dlogits.T, x[rows], out=gradients.weight)
        else:
            partial = matmul(dlogits.T, x[rows], out=partial)
            gradients.weight[...] += partial
    return total, dx


def _loss_and_gradient_in_place(
    logits: Array, targets: Array, V: int, label_smoothing: float, token_count: int, with_gradient: bool
) -> Array:
    """The chunk's loss; `logits` are overwritten, with their gradient if it is wanted."""
    step = max(1, CACHED_LOGITS // V)
    total = array_module(logits).zeros((), dtype=logits.dtype)
    for start in range(0, len(targets), step):
        block, block_targets = logits[start : start + step], targets[start : start + step]
        loss, cache = cross_entropy_forward(
            block, block_targets, label_smoothing=label_smoothing, token_count=token_count, out=block
        )
        total += loss
        if with_gradient:
            cross_entropy_backward(1.0, cache, out=block)
    return total
