"""ReLU: y = max(x, 0), each number by itself (layers/activation.py).

At x = 0 the graph has a corner: the slope is 1 on the right, 0 on the left, and no derivative exists. Any number
between is a subgradient; this layer takes 0, as is usual. Central differences see the mean of both slopes there, 1/2,
however small the step. A mistake would show as a gradient that passes where x is negative.
"""

import numpy as np
from gradient_draws import LEADING, SCALES, SEEDS, SIZES
from hypothesis import given

from numpy_transformer.gradcheck.layer_cases import relu
from numpy_transformer.gradcheck.oracles import central_differences
from numpy_transformer.layers.activation import relu_backward, relu_forward


@given(seed=SEEDS, leading=LEADING, width=SIZES, scale=SCALES)
def test_gradients_away_from_the_kink(agree, seed, leading, width, scale):
    agree(relu(seed=seed, shape=(*leading, width), scale=scale))


def test_at_the_kink_the_gradient_is_a_subgradient():
    x, dy = np.array([0.0, -0.0, 1.0, -1.0]), np.array([3.0, 3.0, 3.0, 3.0])
    y, cache = relu_forward(x)
    assert y.tolist() == [0.0, 0.0, 1.0, 0.0]
    assert relu_backward(dy, cache).tolist() == [0.0, 0.0, 3.0, 0.0]


def test_central_differences_see_half_the_slope_at_the_kink():
    at_kink = central_differences(lambda a: relu_forward(a["x"])[0], {"x": np.array([0.0])}, "x", np.ones(1))
    assert at_kink.value[0] == 0.5


def test_the_mask_looks_at_the_real_part():
    """With a complex step the imaginary part must not decide: x = -1 + ih is off."""
    y, _ = relu_forward(np.array([-1 + 1e-20j, 1 - 1e-20j]))
    assert y.tolist() == [0, 1 - 1e-20j]
