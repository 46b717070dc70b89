"""Output projection and its loss, forward and backward, without ever holding all logits (sections 3.4 and 5.4).

    logits = x E^T (+ b)            (N, V), with E the embedding table (V, D), b an optional bias
    loss   = cross_entropy(logits)

Derivation. A linear layer, so with dlogits from cross_entropy.py:

    dx = dlogits E        dE = dlogits^T x        db = sum_n dlogits_n

N x V logits are by far the largest array of a training step (8,192 tokens, V = 37,000: 1.2 GB in float32). The loss is
where backpropagation turns around, so a chunk of rows can go forward and back at once, and its logits be discarded:
per chunk one product makes the logits, cross-entropy turns them into their gradient in place, and two products use it.
"""

from typing import NamedTuple

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.layers.arithmetic import matmul
from numpy_transformer.layers.cross_entropy import cross_entropy_backward, cross_entropy_forward

# Rows per matrix product: enough to keep the processor busy and to add into dE rarely.
PRODUCT_ROWS = 1024
# Up to this many rows, as when translating one sentence, E x^T is faster than x E^T: the right factor is rearranged.
FEW_ROWS = 8
# Logits per pass of cross-entropy: its several passes over the same rows then stay within the cache.
CACHED_LOGITS = 1 << 18


class OutputParameters(NamedTuple):
    weight: Array  # (V, D), the embedding's table
    bias: Array | None = None  # (V,), or none as in the paper


def output_projection(x: Array, parameters: OutputParameters, *, out: Array | None = None) -> Array:
    """Logits x E^T, plus the bias, if any. (..., D) -> (..., V); `out` (N, V) receives them if given."""
    rows = x.reshape(-1, x.shape[-1])
    if 1 < len(rows) <= FEW_ROWS:
        logits = array_module(x).empty((len(rows), len(parameters.weight)), dtype=x.dtype) if out is None else out
        logits[...] = matmul(parameters.weight, rows.T).T
    else:
        logits = matmul(rows, parameters.weight.T, out=out)
    logits = logits.reshape(*x.shape[:-1], len(parameters.weight))
    if parameters.bias is not None:
        logits += parameters.bias
    return logits


def output_loss(
    x: Array, parameters: OutputParameters, targets: Array, *, label_smoothing: float, token_count: int
) -> Array:
    """x (N, D), targets (N,) -> the loss, a scalar array, chunk by chunk."""
    total = array_module(x).zeros((), dtype=x.dtype)
    for start in range(0, len(targets), PRODUCT_ROWS):
        rows = slice(start, start + PRODUCT_ROWS)
        logits = output_projection(x[rows], parameters)  # (n, V)
        total += _loss_in_place(logits, targets[rows], label_smoothing, token_count, with_gradient=False)
    return total


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
    xp = array_module(x)
    N, V = len(targets), len(parameters.weight)
    total, dx = xp.zeros((), dtype=x.dtype), xp.empty_like(x)
    if N == 0:
        gradients.weight[...] = 0
    if gradients.bias is not None:
        gradients.bias[...] = 0
    buffer = xp.empty((min(N, PRODUCT_ROWS), V), dtype=x.dtype)  # the logits of one chunk at a time
    partial = None
    for start in range(0, N, PRODUCT_ROWS):
        rows = slice(start, min(start + PRODUCT_ROWS, N))
        logits = output_projection(x[rows], parameters, out=buffer[: rows.stop - start])  # (n, V)
        total += _loss_in_place(logits, targets[rows], label_smoothing, token_count, with_gradient=True)
        dlogits = logits
        matmul(dlogits, parameters.weight, out=dx[rows])
        if gradients.bias is not None:
            gradients.bias[...] += dlogits.sum(axis=0)
        if start == 0:
            matmul(dlogits.T, x[rows], out=gradients.weight)
        else:
            partial = matmul(dlogits.T, x[rows], out=partial)
            gradients.weight[...] += partial
    return total, dx


def _loss_in_place(
    logits: Array, targets: Array, label_smoothing: float, token_count: int, *, with_gradient: bool
) -> Array:
    """The chunk's loss; `logits` (n, V) are overwritten, with their gradient if requested."""
    step = max(1, CACHED_LOGITS // logits.shape[-1])
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
