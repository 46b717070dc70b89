"""Layer normalization on a GPU: the norm of a residual sum without anything added (residual.py, residual.cu).

Mathematics: layers/layer_norm.py.
"""

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.gpu_twins import textbook, twin_of
from numpy_transformer.backend.kernels.launcher import LONGEST_ROW
from numpy_transformer.backend.kernels.residual import norm_backward, norm_forward
from numpy_transformer.layers import layer_norm
from numpy_transformer.layers.layer_norm import EPSILON, LayerNormCache, LayerNormParameters


@twin_of(layer_norm.layer_norm_forward)
def layer_norm_forward(
    x: Array, parameters: LayerNormParameters, *, epsilon: float = EPSILON
) -> tuple[Array, LayerNormCache]:
    """(..., D) -> (..., D)."""
    if x.shape[-1] > LONGEST_ROW:
        return textbook(layer_norm.layer_norm_forward)(x, parameters, epsilon=epsilon)
    return norm_forward(x, parameters, epsilon=epsilon)


@twin_of(layer_norm.layer_norm_backward)
def layer_norm_backward(
    dy: Array, cache: LayerNormCache, parameters: LayerNormParameters, gradients: LayerNormParameters
) -> Array:
    """(..., D) -> dx (..., D); writes gradients.gain and gradients.bias."""
    if dy.shape[-1] > LONGEST_ROW:
        return textbook(layer_norm.layer_norm_backward)(dy, cache, parameters, gradients)
    return norm_backward(dy, cache, parameters, gradients)[0]
