"""Label-smoothed cross-entropy of logits (layers/cross_entropy.py derives it).

What a mistake would look like: a gradient whose rows do not sum to 0 (the smoothing's share missing or spread over V
- 1 tokens); one that is off by a factor (the loss divided by another number of tokens than its gradient); one that
vanishes at p = one-hot although smoothing asks for less. `token_count` is drawn apart from the number of rows, so
that a mean over the rows at hand is noticed.
"""

import math

import numpy as np
from gradient_draws import SCALES, SEEDS, SIZES
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.gradcheck.layer_cases import cross_entropy, projection_loss
from numpy_transformer.layers import output_loss as output_loss_module
from numpy_transformer.layers.cross_entropy import cross_entropy_backward, cross_entropy_forward

SMOOTHINGS = st.sampled_from((0.0, 0.1, 0.5, 1.0))


@given(seed=SEEDS, tokens=SIZES, vocabulary=SIZES, smoothing=SMOOTHINGS, count=st.integers(1, 20), scale=SCALES)
def test_gradients(agree, seed, tokens, vocabulary, smoothing, count, scale):
    agree(
        cross_entropy(
            seed=seed, tokens=tokens, vocabulary=vocabulary, label_smoothing=smoothing, token_count=count, scale=scale
        )
    )


@given(seed=SEEDS, tokens=SIZES, vocabulary=st.integers(2, 6), d_model=SIZES, smoothing=SMOOTHINGS)
def test_projection_and_loss_gradients(agree, seed, tokens, vocabulary, d_model, smoothing):
    agree(projection_loss(seed=seed, tokens=tokens, vocabulary=vocabulary, d_model=d_model, label_smoothing=smoothing))


def test_projection_and_loss_gradients_do_not_depend_on_the_chunks(agree, monkeypatch):
    """The loss goes forward and back chunk by chunk. With tiny chunks, several of them, all gradients still agree."""
    whole = projection_loss(seed=0, tokens=11)
    reference = whole.gradients(whole.inputs)
    monkeypatch.setattr(output_loss_module, "PRODUCT_ROWS", 4)
    monkeypatch.setattr(output_loss_module, "CACHED_LOGITS", 12)
    agree(projection_loss(seed=0, tokens=11))
    for name, gradient in whole.gradients(whole.inputs).items():
        np.testing.assert_allclose(gradient, reference[name], rtol=1e-13, atol=1e-15)


@given(seed=SEEDS, tokens=SIZES, vocabulary=SIZES, smoothing=SMOOTHINGS)
def test_a_row_of_the_gradient_sums_to_zero(seed, tokens, vocabulary, smoothing):
    case = cross_entropy(seed=seed, tokens=tokens, vocabulary=vocabulary, label_smoothing=smoothing)
    assert np.abs(case.gradients(case.inputs)["logits"].sum(axis=-1)).max() < 1e-14 * max(1, abs(float(case.upstream)))


@given(seed=SEEDS, V=st.integers(2, 6), smoothing=SMOOTHINGS)
def test_value_is_the_definition(seed, V, smoothing):
    """-sum_v q_v log p_v, written out with q."""
    rng = np.random.default_rng(seed)
    logits, targets = rng.standard_normal((4, V)), rng.integers(0, V, 4)
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    q = (1 - smoothing) * np.eye(V)[targets] + smoothing / V
    loss, _ = cross_entropy_forward(logits, targets, label_smoothing=smoothing, token_count=4)
    assert math.isclose(loss, -(q * np.log(p)).sum() / 4, rel_tol=1e-12)


def test_the_gradient_vanishes_where_the_model_says_what_is_asked():
    q = np.full(5, 0.1 / 5)
    q[3] += 0.9
    _, cache = cross_entropy_forward(np.log(q)[None], np.array([3]), label_smoothing=0.1, token_count=1)
    assert np.abs(cross_entropy_backward(1.0, cache)).max() < 1e-15


def test_equal_logits_cost_log_v():
    loss, _ = cross_entropy_forward(np.zeros((3, 7)), np.array([0, 3, 6]), label_smoothing=0.1, token_count=3)
    assert math.isclose(loss, math.log(7), rel_tol=1e-15)


def test_huge_logits_stay_finite():
    logits = np.array([[1e4, -1e4, 0.0]])
    loss, cache = cross_entropy_forward(logits, np.array([1]), label_smoothing=0.0, token_count=1)
    assert loss == 2e4
    assert cross_entropy_backward(1.0, cache).tolist() == [[1.0, -1.0, 0.0]]
