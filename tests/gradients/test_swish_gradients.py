"""Swish: y = x s with the gate s = 1 / (1 + exp(-x)), each number on its own.

In words. Both factors depend on x, so the slope has two parts: the gate itself, and x times the gate's slope s (1 - s).
Far to the right the gate is open and y = x; far to the left it is closed and y = 0. There is no kink.
"""

import numpy as np
from gradient_draws import LEADING, SCALES, SEEDS, SIZES
from hypothesis import given

from numpy_transformer.gradcheck.layer_cases import swish
from numpy_transformer.layers.activation import swish_forward


@given(seed=SEEDS, leading=LEADING, width=SIZES, scale=SCALES)
def test_gradients(agree, seed, leading, width, scale):
    agree(swish(seed=seed, shape=(*leading, width), scale=scale))


def test_the_value_is_the_definition_and_nothing_overflows():
    x = np.linspace(-20, 20, 101)
    np.testing.assert_allclose(swish_forward(x)[0], x / (1 + np.exp(-x)), atol=1e-14)
    with np.errstate(over="raise", invalid="raise"):
        y, _ = swish_forward(np.array([-1e30, 0, 1e30], np.float32))
    assert y.tolist() == [0, 0, np.float32(1e30)]
