"""Residual connection and norm around a sub-layer F.

    post-norm (the paper):   y = LayerNorm(x + Dropout(F(x)))
    pre-norm:                y = x + Dropout(F(LayerNorm(x)))

In words. A sum hands its gradient to both of its terms, unchanged. So at a "+" the way back forks, and where x went
into two places, the two gradients that come back to it are added.

    post-norm:  ds = LayerNorm'(dy)     dF = Dropout'(ds)     dx = ds + F'(dF)
    pre-norm:                           dF = Dropout'(dy)     dx = dy + LayerNorm'(F'(dF))

In pre-norm dy reaches x untouched by anything: gradients pass through any number of layers. In post-norm every layer's
norm stands on that path, which is why the paper's model needs its warmup.
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
