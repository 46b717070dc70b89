"""The non-linearity between the two linear maps of the feed-forward layer: ReLU (section 3.3), or swish.

    ReLU     y = max(x, 0)
    swish    y = x s, with the gate s = 1 / (1 + exp(-x))        (Ramachandran et al. 2017; also called SiLU)

Derivation. The elements are independent. ReLU: y_i = x_i where x_i > 0, else 0, so dx_i = dy_i where x_i > 0, else 0.
At x = 0 there is no derivative; any value in [0, 1] is a subgradient and 0 is the usual choice.

Swish: the gate's own derivative is ds/dx = s (1 - s), so by the product rule

    dx = dy (s + x s (1 - s)) = dy (s + y (1 - s))

The paper's activation is ReLU. A configuration selects another by its key in ACTIVATIONS.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy_transformer.backend.arrays import Array, array_module


def relu_forward(x: Array) -> tuple[Array, Array]:
    """y = max(x, 0). Any shape; the cache is the mask of the elements that passed."""
    positive = x.real > 0
    return x * positive, positive


def relu_backward(dy: Array, cache: Array) -> Array:
    """dx = dy where x > 0, else 0."""
    positive = cache
    return dy * positive


def swish_forward(x: Array) -> tuple[Array, tuple[Array, Array]]:
    """y = x / (1 + exp(-x)). Any shape; the cache is (gate, y)."""
    xp = array_module(x)
    positive = x.real > 0
    small = xp.exp(xp.where(positive, -x, x))  # at most 1: the gate is 1 / (1 + small) or small / (1 + small)
    gate = xp.where(positive, 1, small) / (1 + small)
    y = x * gate
    return y, (gate, y)


def swish_backward(dy: Array, cache: tuple[Array, Array]) -> Array:
    """dx = dy (gate + y (1 - gate))."""
    gate, y = cache
    return dy * (gate + y * (1 - gate))


@dataclass(frozen=True)
class Activation:
    """A forward and its backward."""

    forward: Callable[[Array], tuple[Array, Any]]  # x -> y, cache
    backward: Callable[[Array, Any], Array]  # dy, cache -> dx


RELU = Activation(relu_forward, relu_backward)
ACTIVATIONS = {"relu": RELU, "swish": Activation(swish_forward, swish_backward)}
