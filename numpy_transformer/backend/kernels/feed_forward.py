"""The feed-forward network on a GPU: bias and ReLU in one kernel, and back with the bias's gradient in one pass.

Mathematics: layers/feed_forward.py. ReLU keeps no mask: its output is kept anyway, and is positive where x was.
"""

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.kernels.bias import add_bias, relu_backward
from numpy_transformer.layers import feed_forward
from numpy_transformer.layers.feed_forward import FeedForwardCache, FeedForwardParameters
from numpy_transformer.layers.linear import linear_backward, linear_forward
from numpy_transformer.layers.matmul import matmul


def feed_forward_forward(
    x: Array, parameters: FeedForwardParameters, *, activation: str = "relu"
) -> tuple[Array, FeedForwardCache]:
    """(..., D) -> (..., D); `activation` is "relu" or "swish", which has no kernel."""
    if activation == "swish":
        return feed_forward.feed_forward_forward.reference(x, parameters, activation=activation)
    hidden = matmul(x.reshape(-1, x.shape[-1]), parameters.hidden.weight)  # (N, F)
    add_bias(hidden, parameters.hidden.bias, relu=True)
    activated = hidden.reshape(*x.shape[:-1], hidden.shape[-1])  # in its place
    y, activated = linear_forward(activated, parameters.output)
    return y, FeedForwardCache(x, False, None, activated)


def feed_forward_backward(
    dy: Array, cache: FeedForwardCache, parameters: FeedForwardParameters, gradients: FeedForwardParameters
) -> Array:
    """(..., D) -> dx (..., D); writes both linear layers' gradients."""
    if cache.swish:
        return feed_forward.feed_forward_backward.reference(dy, cache, parameters, gradients)
    x, activated = cache.input, cache.activated
    dactivated = linear_backward(dy, activated, parameters.output, gradients.output)
    dhidden = dactivated.reshape(-1, activated.shape[-1])  # in its place
    relu_backward(dhidden, activated.reshape(dhidden.shape), dbias=gradients.hidden.bias)
    matmul(x.reshape(-1, x.shape[-1]).T, dhidden, out=gradients.hidden.weight)
    return matmul(dhidden, parameters.hidden.weight.T).reshape(x.shape)
