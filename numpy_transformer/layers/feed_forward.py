"""Position-wise feed-forward network: the same two-layer network at every position (section 3.3, equation 2).

    y = f(x W_1 + b_1) W_2 + b_2        with f(h) = max(0, h), the ReLU; another f may take its place (activation.py)

Derivation. A chain of three layers, h = x W_1 + b_1, a = f(h), y = a W_2 + b_2, so the backward is their three
backwards in reverse (linear.py, activation.py):

    dW_2 = a^T dy      db_2 = sum_n dy_n      da = dy W_2^T
    dh   = da where h > 0, else 0 (ReLU)
    dW_1 = x^T dh      db_1 = sum_n dh_n      dx = dh W_1^T
"""

from typing import Any, NamedTuple

from numpy_transformer.backend.arrays import Array
from numpy_transformer.layers.activation import RELU, Activation
from numpy_transformer.layers.linear import LinearParameters, linear_backward, linear_forward, linear_spec


class FeedForwardParameters(NamedTuple):
    hidden: LinearParameters  # (D, F)
    output: LinearParameters  # (F, D)


class FeedForwardCache(NamedTuple):
    input: Array  # (..., D)
    activation: Activation
    inside: Any  # the activation's cache
    activated: Array  # (..., F)


def feed_forward_spec(d_model: int, d_ff: int) -> FeedForwardParameters:
    """Parameters of the feed-forward network."""
    return FeedForwardParameters(linear_spec(d_model, d_ff), linear_spec(d_ff, d_model))


def feed_forward_forward(
    x: Array, parameters: FeedForwardParameters, *, activation: Activation = RELU
) -> tuple[Array, FeedForwardCache]:
    """(..., D) -> (..., D)."""
    hidden = linear_forward(x, parameters.hidden)  # (..., F)
    activated, inside = activation.forward(hidden)
    y = linear_forward(activated, parameters.output)
    return y, FeedForwardCache(x, activation, inside, activated)


def feed_forward_backward(
    dy: Array, cache: FeedForwardCache, parameters: FeedForwardParameters, gradients: FeedForwardParameters
) -> Array:
    """(..., D) -> dx (..., D); writes both linear layers' gradients."""
    x, activation, inside, activated = cache
    dactivated = linear_backward(dy, activated, parameters.output, gradients.output)
    dhidden = activation.backward(dactivated, inside)
    return linear_backward(dhidden, x, parameters.hidden, gradients.hidden)
