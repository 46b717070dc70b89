"""GELU: y = x P(x), P the normal distribution's cumulative probability; GPT-2's form with tanh; and tanh itself.

In words. A unit is let through with the probability that a normal number is smaller than it. Both factors depend on x:
the slope is P(x), and x times P's slope, which is the density. GPT-2 approximates P by a tanh; its slope follows from
tanh' = 1 - tanh^2.
"""

import math

import numpy as np
import pytest
from gradient_draws import LEADING, SCALES, SEEDS, SIZES
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.gradcheck.layer_cases import gelu, tanh
from numpy_transformer.layers.activation import gelu_forward, gelu_tanh_forward
from numpy_transformer.layers.normal_distribution import cumulative_and_density


@given(seed=SEEDS, form=st.sampled_from(("gelu", "gelu_tanh")), leading=LEADING, width=SIZES, scale=SCALES)
def test_gradients(agree, seed, form, leading, width, scale):
    agree(gelu(seed=seed, form=form, shape=(*leading, width), scale=scale))


@given(seed=SEEDS, leading=LEADING, width=SIZES, scale=SCALES)
def test_gradients_of_tanh(agree, seed, leading, width, scale):
    agree(tanh(seed=seed, shape=(*leading, width), scale=scale))


@pytest.mark.parametrize(("dtype", "allowed"), [("float64", 4e-16), ("float32", 3e-7), ("complex128", 4e-16)])
def test_the_cumulative_probability_is_the_error_functions(dtype, allowed):
    x = np.linspace(-12, 12, 4801)
    exact = np.array([math.erfc(-value / math.sqrt(2)) / 2 for value in x])
    cumulative, density = cumulative_and_density(x.astype(dtype))
    assert cumulative.dtype == density.dtype == dtype
    assert np.abs(cumulative - exact).max() <= allowed
    np.testing.assert_allclose(density.real, np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi), atol=allowed)


def test_the_tail_keeps_its_relative_accuracy():
    x = np.linspace(-8, -1, 200)
    exact = [math.erfc(-value / math.sqrt(2)) / 2 for value in x]
    np.testing.assert_allclose(cumulative_and_density(x)[0], exact, rtol=2e-14)


def test_both_forms_are_close_and_nothing_overflows():
    x = np.linspace(-10, 10, 2001)
    assert 1e-4 < np.abs(gelu_forward(x)[0] - gelu_tanh_forward(x)[0]).max() < 5e-4  # known from the paper
    with np.errstate(over="raise", invalid="raise"):
        y, _ = gelu_forward(np.array([-1e30, 0, 1e30], np.float32))
    assert y.tolist() == [0, 0, np.float32(1e30)]
