"""Feed-forward network: linear, activation, linear (layers/feed_forward.py derives it).

What a mistake would look like: the two linear layers' gradients exchanged, or the activation's backward left out, which
changes only the hidden units that are off. A hidden unit that is off at every position must get no gradient at all.
"""

import numpy as np
from gradient_draws import LEADING, SCALES, SEEDS, SIZES
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.gradcheck.layer_cases import feed_forward
from numpy_transformer.layers.feed_forward import FeedForwardParameters, feed_forward_backward, feed_forward_forward
from numpy_transformer.layers.linear import LinearParameters


@given(
    seed=SEEDS,
    leading=LEADING,
    d_model=SIZES,
    d_ff=SIZES,
    activation=st.sampled_from(["relu", "swish"]),
    scale=SCALES,
)
def test_gradients(agree, seed, leading, d_model, d_ff, activation, scale):
    agree(feed_forward(seed=seed, leading=leading, d_model=d_model, d_ff=d_ff, activation=activation, scale=scale))


def test_a_dead_unit_gets_no_gradient():
    rng = np.random.default_rng(0)
    parameters = FeedForwardParameters(
        LinearParameters(rng.standard_normal((4, 6)), np.array([0, 0, -1e3, 0, 0, 0.0])),
        LinearParameters(rng.standard_normal((6, 4)), rng.standard_normal(4)),
    )
    gradients = FeedForwardParameters(
        LinearParameters(np.empty((4, 6)), np.empty(6)), LinearParameters(np.empty((6, 4)), np.empty(4))
    )
    y, cache = feed_forward_forward(rng.standard_normal((5, 4)), parameters)
    feed_forward_backward(rng.standard_normal(y.shape), cache, parameters, gradients)
    assert not gradients.hidden.weight[:, 2].any()
    assert gradients.hidden.bias[2] == 0
    assert not gradients.output.weight[2].any()
    assert gradients.output.bias.all()
