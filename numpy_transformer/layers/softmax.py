"""Softmax over the last axis: scores become weights that are positive and sum to 1 (section 3.2.1).

    y_i = exp(x_i) / sum_j exp(x_j)

Subtracting one number from every x_i changes nothing, as exp(-m) cancels; with m = max x no exponential overflows.

A masked x has weight 0 and stays out of the sum. A fully masked row has all weights 0.

Derivation. Differentiating log y_i = x_i - log sum_j exp(x_j) gives  d y_i / d x_k = y_i (delta_ik - y_k). The chain
rule then needs no Jacobian, only one inner product per row:

    dx_k = sum_i dy_i y_i (delta_ik - y_k) = y_k (dy_k - sum_i dy_i y_i)

The gradient of a row sums to zero, since moving all its scores together changes no weight.
"""

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.layers.arithmetic import row_dot, row_max, row_sum

# Finite, so that a fully masked row is not 0/0; and so large that exp(score - max) of a masked score is
# exactly 0 beside any visible one.
MASKED_SCORE = -1e30


def softmax_forward(x: Array, *, mask: Array | None = None, out: Array | None = None) -> tuple[Array, Array]:
    """Rows of (..., n) to weights that sum to 1; the cache is the result. `out` may be x itself.

    `mask` is a bool array that broadcasts to x, False where the weight must be 0.
    """
    xp = array_module(x)
    y = xp.exp(minus_maximum(x, mask, out=out), out=out)
    if mask is not None:
        y *= mask  # where a whole row is masked, or where no maximum was subtracted
    total = row_sum(y)
    y /= total + (total == 0)  # where everything is masked: 0 / 1
    return y, y


def minus_maximum(x: Array, mask: Array | None, *, out: Array | None) -> Array:
    """x - max x, the maximum of each row over what the mask leaves visible; masked ones become very negative.

    If all x are small, no maximum is subtracted: see `are_small`.
    """
    xp = array_module(x)
    if are_small(x):
        return x
    x = x if mask is None else xp.where(mask, x, MASKED_SCORE)
    return xp.subtract(x, row_max(x), out=out)


def softmax_backward(dy: Array, cache: Array) -> Array:
    """dx = y (dy - sum(dy y)) for each row."""
    y = cache
    dx = dy - row_dot(dy, y)
    dx *= y
    return dx


# --- The same result faster ---

# Exponentials of numbers up to this size, and their sum, neither overflow nor vanish, in float32 as well.
SAFE_EXPONENT = 50


def are_small(x: Array) -> bool:
    """Whether all x lie between -50 and 50: their exponentials lie between 1e-22 and 1e22, and need no maximum.

    Attention scores nearly always do. Where rows are short, finding each row's maximum takes longer than the rest of a
    softmax; one minimum and one maximum over the whole array take an eighth of that.
    """
    return x.size == 0 or bool(x.real.min() >= -SAFE_EXPONENT and x.real.max() <= SAFE_EXPONENT)  # nan is not
