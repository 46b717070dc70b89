"""Residual connection and norm around a sub-layer (layers/residual.py derives it).

What a mistake would look like: one of the two gradients that come back to x is lost, so that deep models stop learning;
dropout's backward on the residual path instead of the sub-layer's; pre-norm's norm undone behind the sum instead of in
front of the sub-layer.
"""

import numpy as np
from gradient_draws import DROPOUTS, LEADING, NORMS, SCALES, SEEDS, SIZES
from hypothesis import given

from numpy_transformer.gradcheck.layer_cases import residual
from numpy_transformer.layers.layer_norm import layer_norm_forward


@given(
    seed=SEEDS,
    norm=NORMS,
    leading=LEADING,
    d_model=SIZES,
    dropout=DROPOUTS,
    scale=SCALES,
)
def test_gradients(agree, seed, norm, leading, d_model, dropout, scale):
    options = {"norm": norm, "leading": leading, "d_model": d_model, "dropout": dropout}
    agree(residual(seed=seed, **options, scale=scale))


def test_pre_norm_passes_the_gradient_untouched_when_the_sublayer_is_silent():
    case = residual(seed=0, norm="pre")
    silent = {name: np.zeros_like(x) if name.startswith("1.") else x for name, x in case.inputs.items()}
    np.testing.assert_array_equal(case.gradients(silent)["x"], case.upstream)


def test_post_norm_normalizes_even_when_the_sublayer_is_silent():
    case = residual(seed=0, norm="post")
    silent = {name: np.zeros_like(x) if name.startswith("1.") else x for name, x in case.inputs.items()}
    expected, _ = layer_norm_forward(case.inputs["x"], case._tree(silent)[0])
    np.testing.assert_array_equal(case.forward(silent), expected)
