"""Label-smoothed cross-entropy: how far the predicted distribution is from the target one (section 5.4).

The target distribution gives 1 - e to the gold token and spreads e evenly over all V tokens (Szegedy et al. 2016):

    q_v    = (1 - e) [v = gold] + e / V
    loss_n = -sum_v q_v log p_v          with log p_v = z_v - log sum_u exp(z_u), z the logits of position n
           = log sum_u exp(z_u) - (1 - e) z_gold - e mean_v(z_v)
    loss   = sum_n loss_n / token_count

`token_count` is the number of real target tokens of the whole batch. It is an argument, since a shard or a micro-batch
sees only some of them; with one token_count for all, the losses and gradients of the parts simply add up.

Adding one number to all z_v changes nothing, as the weights 1 - e and e sum to 1. So the largest can be shifted to 0.

Derivation. d log sum exp / d z_v = exp(z_v) / sum_u exp(z_u) = p_v, and the other terms are linear, so

    dz_v = (p_v - q_v) / token_count

The gradient of a row sums to zero, because p and q both sum to 1.
"""

from typing import NamedTuple

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.layers.arithmetic import row_max, row_sum


class CrossEntropyCache(NamedTuple):
    probabilities: Array  # (N, V)
    targets: Array  # (N,)
    label_smoothing: float
    token_count: int


def cross_entropy_forward(
    logits: Array, targets: Array, *, label_smoothing: float, token_count: int, out: Array | None = None
) -> tuple[Array, CrossEntropyCache]:
    """logits (N, V), targets (N,) integer ids -> the loss, a scalar array. `out` may be `logits` itself."""
    xp = array_module(logits)
    V = logits.shape[-1]
    shifted = xp.subtract(logits, row_max(logits), out=out)  # exp cannot overflow
    gold = shifted[xp.arange(len(targets)), targets]  # (N,)
    loss = -(1 - label_smoothing) * gold
    if label_smoothing:
        loss -= label_smoothing / V * row_sum(shifted)[:, 0]
    probabilities = xp.exp(shifted, out=shifted)
    normalizer = row_sum(probabilities)  # (N, 1)
    loss += xp.log(normalizer[:, 0])
    probabilities /= normalizer
    return loss.sum() / token_count, CrossEntropyCache(probabilities, targets, label_smoothing, token_count)


def cross_entropy_backward(dloss: float, cache: CrossEntropyCache, *, out: Array | None = None) -> Array:
    """-> dlogits (N, V) = dloss (p - q) / token_count. `out` may be the cached probabilities, which are then lost."""
    probabilities, targets, label_smoothing, token_count = cache
    xp = array_module(probabilities)
    N, V = probabilities.shape
    scale = dloss / token_count
    dlogits = xp.multiply(probabilities, scale, out=out)
    if label_smoothing:
        dlogits -= scale * label_smoothing / V
    dlogits[xp.arange(N), targets] -= scale * (1 - label_smoothing)
    return dlogits
