"""Adam and the warmup schedule against their formulas."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.training.optimizer import CHUNK, Adam
from numpy_transformer.training.schedule import learning_rate


@given(st.integers(0, 1000), st.integers(1, 6), st.integers(1, 40))
def test_adam_is_its_formula(seed, steps, size):
    rng = np.random.default_rng(seed)
    parameters = rng.normal(size=size)
    expected, m, v = parameters.copy(), np.zeros(size), np.zeros(size)
    adam = Adam.for_parameters(parameters)
    for t in range(1, steps + 1):
        gradient = rng.normal(size=size) * 10.0 ** rng.integers(-6, 6)
        m = 0.9 * m + 0.1 * gradient
        v = 0.98 * v + 0.02 * gradient**2
        expected -= 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.98**t)) + 1e-9)
        adam.update(parameters, gradient, rate=0.01)
    np.testing.assert_allclose(parameters, expected, rtol=1e-12, atol=1e-12)
    assert adam.step == steps


def test_slices_and_chunks_give_the_same_bits_as_one_pass():
    rng = np.random.default_rng(0)
    size = 3 * CHUNK + 17
    start = rng.normal(size=size).astype("float32")
    gradient = rng.normal(size=size).astype("float32")
    whole, parts = start.copy(), start.copy()
    one, many = Adam.for_parameters(whole), Adam.for_parameters(parts)
    one.update(whole, gradient, rate=0.1)
    many.step += 1
    for part in (slice(100, size), slice(0, 100)):
        many.update_slice(parts, gradient, part, rate=0.1)
    np.testing.assert_array_equal(whole, parts)
    np.testing.assert_array_equal(one.second_moment, many.second_moment)


def test_the_first_update_moves_every_parameter_by_the_rate():
    """With both moments fresh, m / sqrt(v) is the gradient's sign: the size of a gradient does not matter."""
    parameters = np.zeros(3)
    Adam.for_parameters(parameters).update(parameters, np.array([1e-3, -5.0, 1e4]), rate=0.25)
    np.testing.assert_allclose(parameters, [-0.25, 0.25, -0.25], rtol=1e-5)


@pytest.mark.parametrize(
    ("step", "expected"), [(1, 1.7469e-07), (2000, 3.4939e-04), (4000, 6.9877e-04), (100000, 1.3975e-04)]
)
def test_schedule_of_the_base_model(step, expected):
    assert learning_rate(step, d_model=512, warmup=4000) == pytest.approx(expected, rel=1e-4)


@given(st.integers(1, 10**6), st.integers(1, 10**5), st.sampled_from([64, 128, 512]))
def test_the_rate_peaks_at_the_end_of_the_warmup(step, warmup, d_model):
    peak = learning_rate(warmup, d_model=d_model, warmup=warmup, scale=2.0)
    assert learning_rate(step, d_model=d_model, warmup=warmup, scale=2.0) <= peak * (1 + 1e-12)
    assert peak == pytest.approx(2.0 / np.sqrt(d_model * warmup))
