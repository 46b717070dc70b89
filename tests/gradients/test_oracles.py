"""The oracles themselves, on functions whose derivatives are known in closed form."""

import math

import numpy as np
from gradient_draws import SEEDS
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.gradcheck.oracles import (
    central_difference,
    central_differences,
    central_differences_along,
    complex_step,
    complex_step_along,
)

# name, function of an array, its derivative: smooth functions with very different lengths and sizes
FUNCTIONS = [
    (lambda x: np.exp(x), np.exp),
    (lambda x: np.sin(30 * x), lambda x: 30 * np.cos(30 * x)),
    (lambda x: x**3 - 5 * x, lambda x: 3 * x**2 - 5),
    (lambda x: 1 / (x * x + 1), lambda x: -2 * x / (x * x + 1) ** 2),
    (lambda x: np.sqrt(x * x + 1e-5), lambda x: x / np.sqrt(x * x + 1e-5)),
]


@given(seed=SEEDS, which=st.sampled_from(FUNCTIONS))
def test_both_oracles_find_known_derivatives(seed, which):
    f, derivative = which
    rng = np.random.default_rng(seed)
    x, dy = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    exact = derivative(x) * dy
    largest = np.abs(exact).max()

    def function(inputs):
        return f(inputs["x"])

    np.testing.assert_allclose(complex_step(function, {"x": x}, "x", dy), exact, rtol=0, atol=1e-14 * largest)
    value, uncertainty = central_differences(function, {"x": x}, "x", dy)
    np.testing.assert_allclose(value, exact, rtol=0, atol=1e-9 * largest)
    assert (np.abs(value - exact) <= 10 * uncertainty).all()  # an estimate, not a bound
    along = {"x": np.sign(x)}
    expected = float((exact * along["x"]).sum())
    assert abs(complex_step_along(function, {"x": x}, along, dy) - expected) <= 1e-14 * 6 * largest
    assert abs(central_differences_along(function, {"x": x}, along, dy).value - expected) <= 1e-8 * largest


def test_central_differences_have_a_v_and_complex_step_is_flat():
    """f = exp at 1: the error by step size, at the bottom of the V and at both ends."""

    def function(inputs):
        return np.exp(inputs["x"])

    x, one = {"x": np.ones(1)}, np.ones(1)

    def central_error(h):
        return abs(central_difference(function, x, {"x": one}, one, h) - math.e) / math.e

    def complex_error(h):
        return abs(complex_step_along(function, x, {"x": one}, one, step=h) - math.e) / math.e

    assert central_error(1e-2) > 1e-5  # h^2 / 6
    assert central_error(1e-5) < 1e-10
    assert central_error(1e-13) > 1e-5  # u / h
    assert complex_error(1e-2) > 1e-5
    assert all(complex_error(10.0**-n) < 1e-15 for n in range(9, 100, 10))


def test_the_ladder_avoids_a_kink_that_is_near():
    """|x - 1| at 1 + 1e-4: steps beyond 1e-4 see both slopes; the oracle goes below and is exact."""
    x = {"x": np.array([1.0001])}
    value, uncertainty = central_differences(lambda inputs: np.maximum(inputs["x"] - 1, 0), x, "x", np.ones(1))
    assert abs(value[0] - 1) <= uncertainty[0] < 1e-8


def test_noise_is_admitted():
    """A value with noise of 1e-9 has no slope that can be measured to 1e-8, and the oracle says so."""
    value, uncertainty = central_differences(
        lambda inputs: np.sin(inputs["x"]) + 1e-9 * np.sin(1e12 * inputs["x"]), {"x": np.array([0.3])}, "x", np.ones(1)
    )
    assert 1e-8 < uncertainty[0] < 1e-3
    assert abs(value[0] - math.cos(0.3)) < 10 * uncertainty[0]


def test_a_function_of_nothing():
    """An input without entries, and one that does not matter."""
    inputs = {"x": np.zeros((0, 3)), "y": np.ones(2)}
    assert complex_step(lambda a: a["y"] * 1, inputs, "x", np.ones(2)).shape == (0, 3)
    assert central_differences(lambda a: a["y"] * 1, inputs, "x", np.ones(2)).value.shape == (0, 3)
    constant = central_differences(lambda a: np.ones(2), inputs, "y", np.ones(2))
    assert constant.value.tolist() == [0.0, 0.0]
