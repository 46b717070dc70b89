"""Feature projection: y = x W + b + encodings (layers/feature_projection.py derives it).

What a mistake would look like: a position's vector that also enters its neighbour, or encodings that are scaled with
the product. The mathematics is the linear layer's; that nothing of the positions is left in the gradient is new.
"""

import numpy as np
from gradient_draws import SEEDS, SIZES
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.gradcheck.layer_cases import feature_projection
from numpy_transformer.layers.embedding import positional_encoding_forward
from numpy_transformer.layers.feature_projection import feature_projection_backward, feature_projection_forward
from numpy_transformer.layers.linear import LinearParameters


@given(seed=SEEDS, shape=st.tuples(st.integers(1, 3), st.integers(1, 4)), features=SIZES, half=st.integers(1, 3))
def test_gradients(agree, seed, shape, features, half):
    agree(feature_projection(seed=seed, shape=shape, features=features, d_model=2 * half))


def test_worked_example():
    """One sound of two positions, two features, D = 2, by hand: position 0 adds (0, 1), position 1 (sin 1, cos 1)."""
    parameters = LinearParameters(np.array([[3.0, 0.0], [4.0, 1.0]]), np.array([5.0, 0.0]))
    gradients = LinearParameters(np.empty((2, 2)), np.empty(2))
    x = np.array([[[1.0, 2.0], [0.0, 0.0]]])
    y = feature_projection_forward(x, parameters)
    assert y[0, 0].tolist() == [16.0, 3.0]
    np.testing.assert_allclose(y[0, 1], [5 + np.sin(1), np.cos(1)])
    dx = feature_projection_backward(np.array([[[10.0, 1.0], [2.0, 0.0]]]), x, parameters, gradients)
    assert gradients.weight.tolist() == [[10.0, 1.0], [20.0, 2.0]]  # the vector of zeros adds nothing
    assert gradients.bias.tolist() == [12.0, 1.0]
    assert dx.tolist() == [[[30.0, 41.0], [6.0, 8.0]]]


def test_a_vector_of_zeros_is_only_its_position():
    parameters = LinearParameters(np.ones((3, 4)), np.zeros(4))
    zeros = np.zeros((1, 5, 4))
    np.testing.assert_array_equal(
        feature_projection_forward(np.zeros((1, 5, 3)), parameters), positional_encoding_forward(zeros)
    )
