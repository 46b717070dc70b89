"""Layer norm against both oracles (layers/layer_norm.py derives it).

What a mistake would look like. The layer forgets a vector's mean and its length, so the true gradient has no part along
the constant vector (1, ..., 1) and, up to epsilon, none along the normalized vector; both are tested below. The gain
stands inside both means of dx: a backward that multiplies by it at the end is right for gain 1 and wrong for everything
else, and all-ones dy with all-ones gain gives dx = 0 whatever the bug. So gains and dy are random here.
"""

import numpy as np
from gradient_draws import LEADING, SCALES, SEEDS, SIZES
from hypothesis import given

from numpy_transformer.gradcheck.layer_cases import layer_norm
from numpy_transformer.layers.layer_norm import LayerNormParameters, layer_norm_backward, layer_norm_forward


def gradients_of(x, gain, dy, epsilon=1e-5):
    """(dx, y) of one layer norm with these numbers; the bias is 0 and no part of either gradient."""
    parameters = LayerNormParameters(gain, np.zeros_like(gain))
    y, cache = layer_norm_forward(x, parameters, epsilon=epsilon)
    gradients = LayerNormParameters(np.empty_like(gain), np.empty_like(gain))
    return layer_norm_backward(dy, cache, parameters, gradients), y


@given(seed=SEEDS, leading=LEADING, d_model=SIZES, scale=SCALES)
def test_gradients(agree, seed, leading, d_model, scale):
    agree(layer_norm(seed=seed, leading=leading, d_model=d_model, scale=scale))


@given(seed=SEEDS, D=SIZES, scale=SCALES)
def test_gradient_has_no_part_along_the_constant_vector(seed, D, scale):
    """Adding one number to all of x changes nothing, so the loss is flat in that direction: sum_i dx_i = 0."""
    rng = np.random.default_rng(seed)
    dx, _ = gradients_of(scale * rng.standard_normal((3, D)), rng.standard_normal(D), rng.standard_normal((3, D)))
    terms = 1 / scale * 10  # r is at most about 1 / spread, and dy about 1
    assert np.abs(dx.sum(axis=-1)).max() <= 1e-12 * max(np.abs(dx).max(), terms)


@given(seed=SEEDS)
def test_gradient_has_no_part_along_the_normalized_vector(seed):
    """With eps = 0, stretching x changes nothing either: sum_i dx_i n_i = 0. With eps it is eps r^3 sum_i dn_i n_i."""
    rng = np.random.default_rng(seed)
    x, gain, dy = rng.standard_normal((3, 6)), rng.standard_normal(6), rng.standard_normal((3, 6))
    for epsilon in (0.0, 1e-5, 0.3):
        dx, _ = gradients_of(x, gain, dy, epsilon)
        r = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + epsilon)
        n = (x - x.mean(axis=-1, keepdims=True)) * r
        expected = epsilon * (r**3)[:, 0] * (dy * gain * n).sum(axis=-1)
        np.testing.assert_allclose((dx * n).sum(axis=-1), expected, atol=1e-12 * np.abs(dx).max() * 6)


def test_constant_upstream_and_unit_gain_hide_everything():
    """Why nobody should test layer norm with ones: the true dx is 0, as are many false ones."""
    x = np.random.default_rng(0).standard_normal((4, 8))
    dx, _ = gradients_of(x, np.ones(8), np.ones((4, 8)))
    assert np.abs(dx).max() < 1e-14


@given(seed=SEEDS, D=SIZES)
def test_output_is_normalized(seed, D):
    x = np.random.default_rng(seed).standard_normal((4, D)) * 10 + 3
    _, y = gradients_of(x, np.ones(D), x)
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-12)
    np.testing.assert_allclose(y.var(axis=-1), x.var(axis=-1) / (x.var(axis=-1) + 1e-5), rtol=1e-9)
