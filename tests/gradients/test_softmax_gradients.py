"""Softmax: scores x become weights y that are positive and sum to 1, y_i = exp(x_i) / sum_j exp(x_j).

In words. Raising one score x_k raises its own weight and lowers all others, since they share a total of 1. To see by
how much, take the logarithm, which turns the quotient into a difference:

    log y_i = x_i - log Z,    Z = sum_j exp(x_j)
    d log Z / dx_k = exp(x_k) / Z = y_k
    d log y_i / dx_k = delta_ik - y_k          and  dy_i = y_i d log y_i,  so
    dy_i/dx_k = y_i (delta_ik - y_k)

That is a full matrix per row, but the backward needs only its product with the upstream gradient:

    dx_k = sum_i dy_i y_i (delta_ik - y_k) = y_k dy_k - y_k sum_i dy_i y_i = y_k (dy_k - sum_i dy_i y_i)

The sum is the weighted mean of dy. A score gains when its dy is above that mean: softmax's gradient is a comparison.
"""

import numpy as np
from gradient_draws import LEADING, SCALES, SEEDS, SIZES
from hypothesis import given

from numpy_transformer.gradcheck.layer_cases import softmax
from numpy_transformer.layers.softmax import softmax_backward, softmax_forward


@given(seed=SEEDS, leading=LEADING, width=SIZES, scale=SCALES)
def test_gradients(agree, seed, leading, width, scale):
    agree(softmax(seed=seed, leading=leading, width=width, scale=scale))


@given(seed=SEEDS, width=SIZES, scale=SCALES)
def test_gradient_has_no_part_along_the_constant_vector(seed, width, scale):
    """Moving all scores together moves no weight: sum_k dx_k = 0."""
    rng = np.random.default_rng(seed)
    y, cache = softmax_forward(scale * rng.standard_normal((3, width)))
    dx = softmax_backward(rng.standard_normal(y.shape), cache)
    assert np.abs(dx.sum(axis=-1)).max() < 1e-14


@given(seed=SEEDS, width=SIZES)
def test_equals_the_full_jacobian(seed, width):
    """The one inner product does the work of the matrix diag(y) - y y^T, which is never formed outside this test."""
    rng = np.random.default_rng(seed)
    y, cache = softmax_forward(rng.standard_normal(width))
    dy = rng.standard_normal(width)
    np.testing.assert_allclose(softmax_backward(dy, cache), (np.diag(y) - np.outer(y, y)) @ dy, atol=1e-15)


@given(seed=SEEDS, width=SIZES, shift=SCALES)
def test_shift_invariance_and_no_overflow(seed, width, shift):
    x = np.random.default_rng(seed).standard_normal(width)
    y, _ = softmax_forward(x)
    shifted, _ = softmax_forward(x + shift)
    np.testing.assert_allclose(shifted, y, rtol=1e-10)
    extreme, _ = softmax_forward(1e6 * x)
    assert np.isfinite(extreme).all()
    assert abs(extreme.sum() - 1) < 1e-15
