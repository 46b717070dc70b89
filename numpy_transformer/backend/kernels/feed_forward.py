"""The feed-forward network on a GPU: bias and ReLU in one kernel, their backward and the bias gradient in one pass.

Mathematics: layers/feed_forward.py. ReLU keeps no mask: its output is kept anyway, and is positive where x was.
"""

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.gpu_twins import textbook, twin_of
from numpy_transformer.backend.kernels.arithmetic import matmul
from numpy_transformer.backend.kernels.bias import add_bias, relu_backward
from numpy_transformer.backend.kernels.linear import linear_backward, linear_forward, product_backward, rows_of
from numpy_transformer.layers import feed_forward
from numpy_transformer.layers.activation import RELU, Activation
from numpy_transformer.layers.feed_forward import FeedForwardCache, FeedForwardParameters


@twin_of(feed_forward.feed_forward_forward)
def feed_forward_forward(
    x: Array, parameters: FeedForwardParameters, *, activation: Activation = RELU
) -> tuple[Array, FeedForwardCache]:
    """(..., D) -> (..., D). Only ReLU has a kernel."""
    if activation is not RELU:
        return textbook(feed_forward.feed_forward_forward)(x, parameters, activation=activation)
    hidden = matmul(rows_of(x), parameters.hidden.weight)  # (N, F)
    add_bias(hidden, parameters.hidden.bias, relu=True)
    activated = hidden.reshape(*x.shape[:-1], hidden.shape[-1])  # in place
    y = linear_forward(activated, parameters.output)
    return y, FeedForwardCache(x, RELU, None, activated)


@twin_of(feed_forward.feed_forward_backward)
def feed_forward_backward(
    dy: Array, cache: FeedForwardCache, parameters: FeedForwardParameters, gradients: FeedForwardParameters
) -> Array:
    """(..., D) -> dx (..., D); writes both linear layers' gradients."""
    if cache.activation is not RELU:
        return textbook(feed_forward.feed_forward_backward)(dy, cache, parameters, gradients)
    x, activated = cache.input, cache.activated
    dactivated = linear_backward(dy, activated, parameters.output, gradients.output)
    dhidden = rows_of(dactivated)  # in place
    relu_backward(dhidden, rows_of(activated), dbias=gradients.hidden.bias)
    return product_backward(dhidden, x, parameters.hidden.weight, gradients.hidden)
