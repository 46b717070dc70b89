"""Linear layer: y = x W + b (layers/linear.py derives it).

What a mistake would look like: a forgotten transpose is a wrong shape, unless the matrix is square, where it runs and
is wrong; so inputs and outputs are drawn apart. A bias gradient averaged over positions instead of summed is off by
their number.
"""

import numpy as np
from gradient_draws import LEADING, SCALES, SEEDS, SIZES
from hypothesis import given

from numpy_transformer.gradcheck.layer_cases import linear
from numpy_transformer.layers.linear import LinearParameters, linear_backward, linear_forward


@given(seed=SEEDS, leading=LEADING, inputs=SIZES, outputs=SIZES, scale=SCALES)
def test_gradients(agree, seed, leading, inputs, outputs, scale):
    agree(linear(seed=seed, leading=leading, inputs=inputs, outputs=outputs, scale=scale))


def test_worked_example():
    """Two positions, two inputs, one output, by hand: y = (1*3 + 2*4 + 5, 0*3 - 1*4 + 5)."""
    parameters = LinearParameters(np.array([[3.0], [4.0]]), np.array([5.0]))
    gradients = LinearParameters(np.empty((2, 1)), np.empty(1))
    x = np.array([[1.0, 2.0], [0.0, -1.0]])
    y = linear_forward(x, parameters)
    dx = linear_backward(np.array([[10.0], [1.0]]), x, parameters, gradients)
    assert y.tolist() == [[16.0], [1.0]]
    assert gradients.weight.tolist() == [[10.0], [19.0]]  # 1*10 + 0*1, 2*10 - 1*1
    assert gradients.bias.tolist() == [11.0]
    assert dx.tolist() == [[30.0, 40.0], [3.0, 4.0]]
