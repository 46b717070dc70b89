"""R-Drop: two passes over the same text, whose dropout masks differ, must agree (Wu, Liang et al. 2021).

Dropout makes every pass another model, and the loss alone never asks these models for the same answer. The consistency
of a position, whose logits are a in one pass and b in the other, is the mean of the two Kullback-Leibler divergences:

    p = softmax(a)    q = softmax(b)    d_v = log p_v - log q_v
    consistency_n = (KL(p || q) + KL(q || p)) / 2 = 1/2 sum_v (p_v - q_v) d_v
    loss = sum_n (cross_entropy(a_n) + cross_entropy(b_n) + A consistency_n) / token_count

`token_count` counts the predictions of both passes. So the loss is the mean of the passes' own losses plus the term,
half of the paper's loss, and A is the paper's alpha (5 for translation). Rows 2n and 2n + 1 of all arrays are the two
passes' vectors for position n: a chunk of rows then holds both.

Derivation. With dp_v/da_i = p_v (delta_vi - p_i) and dd_v/da_i = delta_vi - p_i,

    d(sum_v (p_v - q_v) d_v)/da_i = p_i (d_i - sum_v p_v d_v) + (p_i - q_i) - p_i sum_v (p_v - q_v)

and the last sum is 0, since p and q both sum to 1. Exchanging the passes exchanges p with q and turns the sign of d:

    da_i = 1/2 (p_i (d_i - sum_v p_v d_v) + p_i - q_i) / token_count
    db_i = 1/2 (q_i (sum_v q_v d_v - d_i) + q_i - p_i) / token_count

Each row sums to zero, as in cross-entropy: moving all logits of a pass together changes no distribution. Where the
passes agree, both gradients vanish.
"""

from typing import NamedTuple

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.layers.arithmetic import matmul, row_dot, row_max, row_sum
from numpy_transformer.layers.cross_entropy import cross_entropy_backward, cross_entropy_forward
from numpy_transformer.layers.output_loss import OutputParameters, output_projection

ROWS = 256  # at once, of both passes together: even, so that a position is never cut apart


class ConsistencyCache(NamedTuple):
    p: Array  # (N, V), of the first passes
    q: Array  # (N, V), of the second ones
    d: Array  # (N, V), log p - log q
    token_count: int


def consistency_forward(logits: Array, *, token_count: int) -> tuple[Array, ConsistencyCache]:
    """logits (2N, V), the passes of a position in neighbouring rows -> sum_n consistency_n / token_count, a scalar."""
    xp = array_module(logits)
    shifted = logits - row_max(logits)  # exp cannot overflow
    exponentials = xp.exp(shifted)
    normalizer = row_sum(exponentials)  # (2N, 1)
    probabilities = exponentials / normalizer
    logarithms = shifted - xp.log(normalizer)
    p, q = probabilities[0::2], probabilities[1::2]
    d = logarithms[0::2] - logarithms[1::2]
    return ((p - q) * d).sum() / (2 * token_count), ConsistencyCache(p, q, d, token_count)


def consistency_backward(dloss: float, cache: ConsistencyCache) -> Array:
    """-> dlogits (2N, V), the rows as in the forward."""
    p, q, d, token_count = cache
    dlogits = array_module(p).empty((2 * len(p), p.shape[1]), dtype=p.dtype)
    dlogits[0::2] = p * (d - row_dot(p, d)) + p - q
    dlogits[1::2] = q * (row_dot(q, d) - d) + q - p
    dlogits *= dloss / (2 * token_count)
    return dlogits


def consistent_loss_and_gradients(
    x: Array,
    parameters: OutputParameters,
    targets: Array,
    gradients: OutputParameters,
    *,
    consistency: float,
    label_smoothing: float,
    token_count: int,
) -> tuple[Array, Array]:
    """x (2N, D), targets (2N,) -> the loss, a scalar array, and dx (2N, D); ASSIGNS the gradients.

    The counterpart of output_loss_and_gradients (output_loss.py) for two passes; `consistency` is A.
    """
    xp = array_module(x)
    total, dx = xp.zeros((), dtype=x.dtype), xp.empty_like(x)
    gradients.weight[...] = 0
    if gradients.bias is not None:
        gradients.bias[...] = 0
    for start in range(0, len(targets), ROWS):
        rows = slice(start, start + ROWS)
        loss, dlogits = _loss_and_dlogits(
            output_projection(x[rows], parameters), targets[rows], consistency, label_smoothing, token_count
        )
        total += loss
        matmul(dlogits, parameters.weight, out=dx[rows])
        gradients.weight[...] += matmul(dlogits.T, x[rows])
        if gradients.bias is not None:
            gradients.bias[...] += dlogits.sum(axis=0)
    return total, dx


def _loss_and_dlogits(
    logits: Array, targets: Array, consistency: float, label_smoothing: float, token_count: int
) -> tuple[Array, Array]:
    """Of one chunk. A function of its own, so that its arrays are gone before the next chunk has its own."""
    entropy, entropy_cache = cross_entropy_forward(
        logits, targets, label_smoothing=label_smoothing, token_count=token_count
    )
    apart, apart_cache = consistency_forward(logits, token_count=token_count)
    dlogits = cross_entropy_backward(1.0, entropy_cache) + consistency_backward(consistency, apart_cache)
    return entropy + consistency * apart, dlogits
