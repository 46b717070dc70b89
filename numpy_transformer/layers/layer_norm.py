"""Layer normalization: each position's vector is normalized to mean 0 and variance 1, then scaled and shifted per
feature (section 5.4; Ba et al. 2016).

    mean = sum_i x_i / D        variance = sum_i (x_i - mean)^2 / D
    r = 1 / sqrt(variance + epsilon), the inverse deviation
    normalized_i = (x_i - mean) r
    y_i = gain_i normalized_i + bias_i

Derivation. gain and bias apply at every position n, so their gradients sum over positions:

    dgain_i = sum_n dy_ni normalized_ni        dbias_i = sum_n dy_ni

For x, first dnormalized_i = dy_i gain_i. The rest concerns a single position. x_k moves normalized_i along three paths:
directly, through the mean and through r:

    d mean / d x_k = 1/D
    d r / d x_k    = -r^3 (x_k - mean) / D = -r^2 normalized_k / D
    d normalized_i / d x_k = r (delta_ik - 1/D) + (x_i - mean) (-r^2 normalized_k / D)
                           = r (delta_ik - 1/D - normalized_i normalized_k / D)

(the path from the mean to the variance vanishes, as the deviations sum to 0). Summed over i against dnormalized_i:

    dx_k = r (dnormalized_k - mean_i(dnormalized_i) - normalized_k mean_i(dnormalized_i normalized_i))

In words: take out of the gradient what would shift the whole vector and what would stretch it, because the layer undoes
both. The gain is inside both means: a backward that leaves it out passes any test with gain 1.
"""

from typing import NamedTuple

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.layers.arithmetic import column_sums, row_dot, row_mean
from numpy_transformer.layers.parameters import ones, parameter, zeros

EPSILON = 1e-5  # keeps the deviation of a constant vector from being 0


class LayerNormParameters(NamedTuple):
    gain: Array  # (D,)
    bias: Array  # (D,)


class LayerNormCache(NamedTuple):
    normalized: Array  # (..., D)
    inverse_deviation: Array  # (..., 1)


def layer_norm_spec(d_model: int) -> LayerNormParameters:
    """Gain 1 and bias 0."""
    return LayerNormParameters(parameter((d_model,), ones), parameter((d_model,), zeros))


def layer_norm_forward(
    x: Array, parameters: LayerNormParameters, *, epsilon: float = EPSILON
) -> tuple[Array, LayerNormCache]:
    """(..., D) -> (..., D)."""
    D = x.shape[-1]
    centered = x - row_mean(x)
    variance = row_dot(centered, centered) / D  # (..., 1)
    inverse_deviation = 1 / array_module(x).sqrt(variance + epsilon)  # (..., 1)
    normalized = centered * inverse_deviation
    y = normalized * parameters.gain
    y += parameters.bias
    return y, LayerNormCache(normalized, inverse_deviation)


def layer_norm_backward(
    dy: Array, cache: LayerNormCache, parameters: LayerNormParameters, gradients: LayerNormParameters
) -> Array:
    """(..., D) -> dx (..., D); writes gradients.gain and gradients.bias."""
    normalized, inverse_deviation = cache
    D = dy.shape[-1]
    # y = gain * normalized + bias
    column_sums((dy * normalized).reshape(-1, D), out=gradients.gain)
    column_sums(dy.reshape(-1, D), out=gradients.bias)
    dnormalized = dy * parameters.gain
    # normalized = (x - mean) inverse_deviation
    shift = row_mean(dnormalized)
    stretch = row_dot(dnormalized, normalized) / D
    dx = dnormalized - shift
    dx -= normalized * stretch
    dx *= inverse_deviation
    return dx
