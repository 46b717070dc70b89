"""ReLU, the non-linearity between the two linear maps of the feed-forward layer (section 3.3).

    y = max(x, 0)

Derivation. Each element stands alone: y_i = x_i where x_i > 0, else 0, so dx_i = dy_i where x_i > 0, else 0. At x = 0
there is no derivative; any value in [0, 1] is a subgradient and 0 is the usual choice.
"""

from numpy_transformer.backend import Array


def relu_forward(x: Array) -> tuple[Array, Array]:
    """y = max(x, 0). Any shape; the cache is the mask of the elements that passed."""
    positive = x.real > 0
    return x * positive, positive


def relu_backward(dy: Array, cache: Array) -> Array:
    """dx = dy where x > 0, else 0."""
    positive = cache
    return dy * positive
