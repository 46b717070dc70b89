"""Softmax over the last axis: scores become weights that are positive and sum to 1 (section 3.2.1).

    y_i = exp(x_i) / sum_j exp(x_j)

Subtracting one number from every x_i changes nothing, as exp(-m) cancels; with m = max x no exponential overflows.

Derivation. From log y_i = x_i - log sum_j exp(x_j) follows  d y_i / d x_k = y_i (delta_ik - y_k). The chain rule then
needs no Jacobian, only one inner product per row:

    dx_k = sum_i dy_i y_i (delta_ik - y_k) = y_k (dy_k - sum_i dy_i y_i)

The gradient of a row sums to zero, since moving all its scores together changes no weight.
"""

from numpy_transformer.backend import Array, array_module
from numpy_transformer.twin import gpu_twin


@gpu_twin()
def softmax_forward(x: Array, *, out: Array | None = None) -> tuple[Array, Array]:
    """Rows of (..., n) to weights that sum to 1; the cache is the result. `out` may be x itself."""
    xp = array_module(x)
    shifted = xp.subtract(x, x.real.max(axis=-1, keepdims=True), out=out)
    y = xp.exp(shifted, out=shifted)
    y /= y.sum(axis=-1, keepdims=True)
    return y, y


@gpu_twin()
def softmax_backward(dy: Array, cache: Array) -> Array:
    """dx = y (dy - sum(dy y)) for each row."""
    y = cache
    xp = array_module(dy)
    dx = dy - xp.einsum("...n,...n->...", dy, y)[..., None]
    dx *= y
    return dx
