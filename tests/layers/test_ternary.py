"""Rounding to three values: by hand, by its formula, and what it must keep."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from numpy_transformer.layers.ternary import ternary

NUMBERS = st.floats(-1e6, 1e6, allow_subnormal=False)
MATRICES = hnp.arrays("float64", hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=NUMBERS)


def test_by_hand():
    """The mean magnitude is 1, so weights beyond 0.5 keep their sign; at 0.5 itself both round to the even 0."""
    weight = np.array([[2.4, -1.5, 0.51], [-0.5, 0.5, -0.59]])
    trits, scale = ternary(weight)
    assert scale == pytest.approx(1)
    assert trits.tolist() == [[1, -1, 1], [0, 0, -1]]


@given(MATRICES)
def test_it_is_the_formula(weight):
    trits, scale = ternary(weight)
    assert scale == pytest.approx(np.abs(weight).mean())
    if scale > 1e-300:
        quotient = weight / scale
        sure = np.abs(np.abs(quotient) - 0.5) > 1e-9
        np.testing.assert_array_equal(trits[sure], np.clip(np.rint(quotient), -1, 1)[sure])


@given(MATRICES, st.sampled_from([-4.0, 0.5, 8.0]))
def test_a_factor_moves_the_scale_and_nothing_else(weight, factor):
    trits, scale = ternary(weight)
    other, larger = ternary(factor * weight)
    np.testing.assert_array_equal(other, np.sign(factor) * trits)
    assert larger == abs(factor) * scale


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_zeros_stay_zeros_and_dtypes_what_they_are(dtype):
    trits, scale = ternary(np.zeros((2, 3), dtype))
    assert (trits.dtype, scale.dtype) == (dtype, dtype)
    assert not trits.any()
    assert scale == 0


def test_what_is_not_finite_is_not_hidden():
    """A training step looks for it, and is skipped."""
    trits, scale = ternary(np.array([[1.0, np.nan]]))
    assert np.isnan(trits * scale).all()
