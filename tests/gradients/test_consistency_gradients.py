"""R-Drop's term, that two passes agree (layers/consistency.py derives it).

What a mistake would look like: one of the two divergences missing, a gradient for one pass only, the weight or the
count in the loss but not in its gradient, passes that are paired with the wrong position.
"""

import math

import numpy as np
import pytest
from gradient_draws import SCALES, SEEDS, SIZES
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.gradcheck.consistency_cases import consistency, consistent_loss
from numpy_transformer.gradcheck.model_cases import draw_batch, small_config
from numpy_transformer.layers import consistency as layer
from numpy_transformer.layers.consistency import consistency_backward, consistency_forward
from numpy_transformer.models.sound_transformer import SoundTransformer
from numpy_transformer.models.transformer import Transformer


@given(seed=SEEDS, tokens=SIZES, vocabulary=SIZES, count=st.integers(1, 20), scale=SCALES)
def test_gradients(agree, seed, tokens, vocabulary, count, scale):
    agree(consistency(seed=seed, tokens=tokens, vocabulary=vocabulary, token_count=count, scale=scale))


@given(seed=SEEDS, tokens=SIZES, vocabulary=st.integers(2, 6), weight=st.sampled_from((0.0, 0.5, 5.0)))
def test_projection_and_loss_gradients(agree, seed, tokens, vocabulary, weight):
    agree(consistent_loss(seed=seed, tokens=tokens, vocabulary=vocabulary, weight=weight))


def test_projection_and_loss_gradients_do_not_depend_on_the_chunks(agree, monkeypatch):
    whole = consistent_loss(seed=0, tokens=11)
    reference = whole.gradients(whole.inputs)
    monkeypatch.setattr(layer, "ROWS", 4)
    agree(consistent_loss(seed=0, tokens=11))
    for name, gradient in whole.gradients(whole.inputs).items():
        np.testing.assert_allclose(gradient, reference[name], rtol=1e-13, atol=1e-15)


def test_value_is_the_definition():
    """The mean of KL(p || q) and KL(q || p), for each position, over twice as many predictions."""
    logits = np.random.default_rng(0).standard_normal((8, 5))
    p, q = (np.exp(rows) / np.exp(rows).sum(axis=-1, keepdims=True) for rows in (logits[0::2], logits[1::2]))
    divergences = (p * np.log(p / q)).sum() + (q * np.log(q / p)).sum()
    value, _ = consistency_forward(logits, token_count=8)
    assert math.isclose(value, divergences / 2 / 8, rel_tol=1e-12)


def test_passes_that_agree_cost_nothing_and_have_no_gradient():
    logits = np.random.default_rng(0).standard_normal((3, 5)).repeat(2, axis=0)
    logits[1::2] += 7  # the same distribution
    value, cache = consistency_forward(logits, token_count=6)
    assert abs(value) < 1e-15
    assert np.abs(consistency_backward(1.0, cache)).max() < 1e-15


def test_huge_logits_stay_finite():
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0]])
    value, cache = consistency_forward(logits, token_count=1)
    assert value == 2e4
    assert np.isfinite(consistency_backward(1.0, cache)).all()


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_whole_model(norm):
    """Complex step along a random direction of all parameters; the masks are the same in both."""
    config = small_config(norm=norm, dropout=0.3, attention_dropout=0.2).replace(consistency=3.0)
    source, target = draw_batch((4, 2, 3), (3, 4, 2), config, 1)
    options = {"seed": (7, 1), "label_smoothing": 0.1, "token_count": 11}
    real = Transformer(config, seed=0, dtype="float64")
    _, gradients = real.loss_and_gradients(source, target, **options)
    direction = np.random.default_rng(2).standard_normal(real.parameters.flat.shape)
    model = Transformer(config, seed=0, dtype="complex128")
    model.parameters.flat[...] = real.parameters.flat + 1e-30j * direction
    loss, _ = model.loss_and_gradients(source, target, **options)
    assert math.isclose(loss.imag / 1e-30, gradients.flat @ direction, rel_tol=1e-12)


def test_the_loss_is_the_passes_mean_plus_the_weighted_term():
    """So it is linear in the weight."""
    config = small_config(dropout=0.3)
    source, target = draw_batch((4, 2), (3, 5), config, 1)
    least, some, twice = (
        float(
            Transformer(config.replace(consistency=weight), seed=0, dtype="float64").loss_and_gradients(
                source, target, seed=3
            )[0]
        )
        for weight in (1e-12, 2.0, 4.0)
    )
    assert some > least
    assert math.isclose(twice - least, 2 * (some - least), rel_tol=1e-6)


def test_the_passes_of_a_position_are_compared_and_of_no_other():
    """Masks that drop nothing make both passes the same: then even a large weight adds nothing."""
    config = small_config(dropout=1e-12)
    source, target = draw_batch((4, 2, 3), (3, 5, 2), config, 1)
    plain, _ = Transformer(config, seed=0, dtype="float64").loss_and_gradients(source, target, seed=3)
    model = Transformer(config.replace(consistency=100.0), seed=0, dtype="float64")
    loss, _ = model.loss_and_gradients(source, target, seed=3)
    assert math.isclose(loss, plain, rel_tol=1e-9)


def test_without_dropout_masks_there_is_one_pass():
    config = small_config(dropout=0.3)
    source, target = draw_batch((4, 2), (3, 5), config, 1)
    once, twice = (
        Transformer(config.replace(consistency=weight), seed=0, dtype="float64").loss_and_gradients(source, target)
        for weight in (0.0, 2.0)
    )
    assert once[0] == twice[0]
    np.testing.assert_array_equal(once[1].flat, twice[1].flat)


def test_both_passes_have_dropout_masks_of_their_own():
    """With the same masks the term, and so the weight, would change nothing."""
    config = small_config(dropout=0.3)
    source, target = draw_batch((4, 2), (3, 5), config, 1)
    light, heavy = (
        Transformer(config.replace(consistency=weight), seed=0).loss_and_gradients(source, target, seed=5)[0]
        for weight in (1.0, 50.0)
    )
    assert heavy > 1.5 * light


def test_a_model_that_hears_makes_two_passes_as_well():
    """Its source is vectors, not ids."""
    config = small_config(dropout=0.3, source_features=5).replace(consistency=2.0)
    source = np.random.default_rng(0).standard_normal((2, 7, 5))
    target = np.array([[1, 4, 5, 2], [1, 6, 2, 0]])
    real, model = (SoundTransformer(config, seed=0, dtype=dtype) for dtype in ("float64", "complex128"))
    _, gradients = real.loss_and_gradients(source, target, seed=1)
    direction = np.random.default_rng(2).standard_normal(real.parameters.flat.shape)
    model.parameters.flat[...] = real.parameters.flat + 1e-30j * direction
    loss, _ = model.loss_and_gradients(source, target, seed=1)
    assert math.isclose(loss.imag / 1e-30, gradients.flat @ direction, rel_tol=1e-12)
