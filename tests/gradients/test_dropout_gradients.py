"""Dropout: y = x * kept / (1 - p), where `kept` is 1 with probability 1 - p and else 0.

In words. Once the mask is drawn, y is x times a constant, number by number, so dx = dy * kept / (1 - p): the same
constant. Nothing flows back through what was dropped, and what was kept is scaled up in both directions. Everything
depends on using the very mask of the forward pass: one dropout object with one remembered mask, used at three places,
back-propagates through the wrong mask at two of them. Here each use returns its own cache.
"""

import numpy as np
import pytest
from gradient_draws import LEADING, SCALES, SEEDS, SIZES
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.backend.dropout_masks import DropoutMasks
from numpy_transformer.gradcheck.layer_cases import dropout
from numpy_transformer.layers.dropout import dropout_backward, dropout_forward


@given(seed=SEEDS, leading=LEADING, width=SIZES, scale=SCALES, p=st.floats(0, 0.95))
def test_gradients(agree, seed, leading, width, scale, p):
    agree(dropout(seed=seed, shape=(*leading, width), scale=scale, probability=p))


def test_every_site_has_its_own_mask_and_its_own_cache():
    """Three uses, backward in any order: each gradient is masked as its own forward was."""
    masks, x = DropoutMasks(0.5, seed=1), np.ones((20, 20))
    uses = [dropout_forward(x, masks) for _ in range(3)]
    assert len({y.tobytes() for y, _ in uses}) == 3
    for y, cache in uses:
        np.testing.assert_array_equal(dropout_backward(x, cache), y)


def test_masks_depend_on_the_seed_alone():
    def draw(seed):
        masks = DropoutMasks(0.3, seed)
        return [masks.next_mask((7, 5)).tobytes() for _ in range(3)]

    assert draw((4, 2)) == draw((4, 2))
    assert not set(draw((4, 2))) & set(draw((4, 3)))


def test_without_masks_it_is_the_identity():
    x = np.random.default_rng(0).standard_normal((3, 4))
    y, cache = dropout_forward(x, None)
    assert y is x
    assert dropout_backward(x, cache) is x


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_the_mean_is_kept(p):
    """A million draws: the mean of y stays within 5 standard errors of the mean of x."""
    y, _ = dropout_forward(np.ones(1_000_000), DropoutMasks(p, seed=0))
    assert abs(y.mean() - 1) < 5 * (p / (1 - p)) ** 0.5 / 1000
