"""Softmax over the last axis (layers/softmax.py derives it).

What a mistake would look like: without the subtracted mean sum(dy y) each row of dx no longer sums to 0; a sum over
another axis is wrong unless the array is square; an exponential without a maximum taken out overflows at large scores,
which the extreme draws below reach.
"""

import numpy as np
import pytest
from gradient_draws import LEADING, SCALES, SEEDS, SIZES
from hypothesis import given
from hypothesis import strategies as st

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


@given(seed=SEEDS, dtype=st.sampled_from(["float32", "float64"]), size=st.sampled_from([1, 49, 51, 1e4]))
def test_masked_rows_follow_the_definition_at_any_size(seed, dtype, size):
    """Small scores skip the search for the maximum, large ones do not; masked scores may be larger than the rest."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-size, size, (3, 4, 5)).astype(dtype)
    mask = rng.random((4, 5)) < 0.6
    mask[0], mask[1] = False, True
    y, _ = softmax_forward(x, mask=mask)
    assert y.dtype == dtype
    exact = np.where(mask, x.astype("longdouble"), -np.inf)[:, 1:]
    with np.errstate(invalid="ignore"):  # a row with everything masked: -inf - -inf
        exact = np.exp(exact - exact.max(axis=-1, keepdims=True))
        exact = np.nan_to_num(exact / exact.sum(axis=-1, keepdims=True))
    # Rounding a score by one part in 2^24 (2^53) changes its exponential by that part times the score.
    np.testing.assert_allclose(y[:, 1:], exact, rtol=4 * size * np.finfo(dtype).eps + 1e-6, atol=1e-30)
    assert not y[:, 0].any()
    in_place, _ = softmax_forward(x, mask=mask, out=x)
    assert in_place is x
    np.testing.assert_array_equal(x, y)


def test_no_rows_at_all():
    y, _ = softmax_forward(np.empty((0, 4)), mask=np.ones(4, dtype=bool))
    assert y.shape == (0, 4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_not_finite_stays_in_its_row(dtype):
    """inf and nan spoil their own row, as the definition says, and no other; under a mask they do nothing."""
    x = np.zeros((4, 3), dtype)
    x[0, 1], x[1, 1], x[2, 1] = np.nan, np.inf, -np.inf
    x[3] = 1e4, -1e4, 1e4
    with np.errstate(invalid="ignore"):
        y, _ = softmax_forward(x)
        behind_mask, _ = softmax_forward(x, mask=np.array([True, False, True]))
    assert np.isnan(y[0]).all()
    assert np.isnan(y[1, 1])
    np.testing.assert_array_equal(y[2:], [[0.5, 0, 0.5], [0.5, 0, 0.5]])
    np.testing.assert_array_equal(behind_mask, [[0.5, 0, 0.5]] * 4)
