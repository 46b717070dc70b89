"""The non-linearity between the two linear maps of the feed-forward layer: ReLU (section 3.3), swish, GELU; and tanh.

    ReLU         y = max(x, 0)
    swish        y = x s, with the gate s = 1 / (1 + exp(-x))        (Ramachandran et al. 2017; also called SiLU)
    GELU         y = x P(x), P the normal distribution's cumulative probability  (Hendrycks and Gimpel 2016; BERT)
    GELU, tanh   y = x (1 + t) / 2, with t = tanh(u) and u = sqrt(2/pi) (x + 0.044715 x^3)               (GPT-2)
    tanh         y = tanh(x)                                                                       (BERT's pooler)

Derivation. The elements are independent. ReLU: y_i = x_i where x_i > 0, else 0, so dx_i = dy_i where x_i > 0, else 0.
At x = 0 there is no derivative; any value in [0, 1] is a subgradient and 0 is the usual choice.

Swish: the gate's own derivative is ds/dx = s (1 - s), so by the product rule

    dx = dy (s + x s (1 - s)) = dy (s + y (1 - s))

GELU: P's derivative is the density p(x) = exp(-x^2/2) / sqrt(2 pi). Of tanh, it is 1 - tanh^2, so that dt/dx is
(1 - t^2) du/dx = (1 + t) (1 - t) du/dx, where du/dx = sqrt(2/pi) (1 + 3 0.044715 x^2). By the product rule

    GELU         dx = dy (P(x) + x p(x))
    GELU, tanh   dx = dy (1 + t) / 2 (1 + x (1 - t) du/dx)
    tanh         dx = dy (1 - y^2)

The paper's activation is ReLU. A configuration selects another by its key in ACTIVATIONS.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.layers.normal_distribution import cumulative_and_density

ROOT, CUBIC = math.sqrt(2 / math.pi), 0.044715  # of GPT-2's form of GELU


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


def gelu_forward(x: Array) -> tuple[Array, tuple[Array, Array]]:
    """y = x P(x). Any shape; the cache is (P(x), x p(x))."""
    cumulative, density = cumulative_and_density(x)
    return x * cumulative, (cumulative, x * density)


def gelu_backward(dy: Array, cache: tuple[Array, Array]) -> Array:
    """dx = dy (P(x) + x p(x))."""
    cumulative, bell = cache
    return dy * (cumulative + bell)


def gelu_tanh_forward(x: Array) -> tuple[Array, tuple[Array, Array]]:
    """y = x (1 + tanh(u)) / 2. Any shape; the cache is (x, tanh(u))."""
    u = x * (ROOT + ROOT * CUBIC * (x * x))
    t = array_module(x).tanh(u, out=u)
    return x * (0.5 + 0.5 * t), (x, t)


def gelu_tanh_backward(dy: Array, cache: tuple[Array, Array]) -> Array:
    """dx = dy (1 + t) / 2 (1 + x (1 - t) du/dx)."""
    x, t = cache
    du = ROOT + 3 * ROOT * CUBIC * (x * x)
    return 0.5 * dy * (1 + t) * (1 + x * (1 - t) * du)


def tanh_forward(x: Array) -> tuple[Array, Array]:
    """y = tanh(x). Any shape; the cache is y."""
    y = array_module(x).tanh(x)
    return y, y


def tanh_backward(dy: Array, cache: Array) -> Array:
    """dx = dy (1 - y^2)."""
    y = cache
    return dy * (1 - y * y)


@dataclass(frozen=True)
class Activation:
    """A forward and its backward."""

    forward: Callable[[Array], tuple[Array, Any]]  # x -> y, cache
    backward: Callable[[Array, Any], Array]  # dy, cache -> dx


RELU = Activation(relu_forward, relu_backward)
TANH = Activation(tanh_forward, tanh_backward)
ACTIVATIONS = {
    "relu": RELU,
    "swish": Activation(swish_forward, swish_backward),
    "gelu": Activation(gelu_forward, gelu_backward),
    "gelu_tanh": Activation(gelu_tanh_forward, gelu_tanh_backward),
}
