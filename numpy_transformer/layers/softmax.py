"""Softmax over the last axis: scores become weights that are positive and sum to 1 (section 3.2.1).

    y_i = exp(x_i) / sum_j exp(x_j)

Subtracting one number from every x_i changes nothing, as exp(-m) cancels; with m = max x no exponential overflows.
Where all x lie between -50 and 50, m = 0 will do: their exponentials lie between 1e-22 and 1e22, far from underflow and
overflow. In rows as short as attention's, to find each maximum would take longer than all the rest.

A masked x has weight 0 and stays out of the sum. A row with everything masked has all weights 0.

Derivation. From log y_i = x_i - log sum_j exp(x_j) follows  d y_i / d x_k = y_i (delta_ik - y_k). The chain rule then
needs no Jacobian, only one inner product per row:

    dx_k = sum_i dy_i y_i (delta_ik - y_k) = y_k (dy_k - sum_i dy_i y_i)

The gradient of a row sums to zero, since moving all its scores together changes no weight.
"""

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.twins import gpu_twin

# Finite, so that a row with everything masked is not 0/0; and so large that exp(score - max) of a masked score is
# exactly 0 beside any visible one.
MASKED_SCORE = -1e30
# Exponentials of numbers up to this size, and their sum, neither overflow nor vanish, in float32 as well.
SAFE_EXPONENT = 50


@gpu_twin()
def softmax_forward(x: Array, *, mask: Array | None = None, out: Array | None = None) -> tuple[Array, Array]:
    """Rows of (..., n) to weights that sum to 1; the cache is the result. `out` may be x itself.

    `mask` is a bool array that broadcasts to x, False where the weight shall be 0.
    """
    xp = array_module(x)
    safe = x.size == 0 or (x.real.min() >= -SAFE_EXPONENT and x.real.max() <= SAFE_EXPONENT)  # nan is not
    if not safe:
        x = x if mask is None else xp.where(mask, x, MASKED_SCORE)
        x = xp.subtract(x, x.real.max(axis=-1, keepdims=True), out=out)
    y = xp.exp(x, out=out)
    if mask is not None:
        y *= mask
    total = xp.einsum("...n->...", y)[..., None]  # on short rows einsum is faster than sum
    y /= total + (total == 0)  # where everything is masked: 0 / 1
    return y, y


@gpu_twin()
def softmax_backward(dy: Array, cache: Array) -> Array:
    """dx = y (dy - sum(dy y)) for each row."""
    y = cache
    xp = array_module(dy)
    dx = dy - xp.einsum("...n,...n->...", dy, y)[..., None]
    dx *= y
    return dx
