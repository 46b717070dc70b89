"""Linear layer: y = x W + b.

In words. Row n of x is one position; it is multiplied by the matrix W (I, O) and b is added:

    y_no = sum_i x_ni W_io + b_o

Suppose we know dy_no, how much the loss grows when y_no grows. What happens to the loss when W_io grows by a little?
Every row n uses W_io once, to make y_no, and there it is multiplied by x_ni. So the loss grows by sum_n x_ni dy_no per
unit of W_io. That sum over n is a matrix product in which x stands transposed:

    dW = x^T dy            (I, N) (N, O) -> (I, O)

b_o is added in every row, with factor 1:                 db_o  = sum_n dy_no
x_ni reaches every output o of its row, with factor W_io: dx_ni = sum_o dy_no W_io,  that is  dx = dy W^T

A check that costs nothing: each product is the only one whose shapes fit.
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
