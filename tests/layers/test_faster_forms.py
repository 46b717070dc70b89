"""Where a layer has a faster form behind its textbook, both give the same numbers."""

import numpy as np
import pytest

from numpy_transformer.layers import output_loss as output_loss_layer
from numpy_transformer.layers import softmax as softmax_layer
from numpy_transformer.layers.cross_entropy import cross_entropy_backward, cross_entropy_forward
from numpy_transformer.layers.embedding import add_rows
from numpy_transformer.layers.output_loss import (
    OutputParameters,
    output_loss,
    output_loss_and_gradients,
    output_projection,
)
from numpy_transformer.layers.softmax import SAFE_EXPONENT, are_small, softmax_forward

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("scale", [1, 10])
def test_softmax_of_small_scores_needs_no_maximum(scale, masked, dtype, monkeypatch):
    x = (scale * RNG.standard_normal((3, 4, 7))).astype(dtype)
    mask = RNG.random((3, 4, 7)) < 0.6 if masked else None
    if masked:
        mask[0, 0] = False  # a row that may see nothing
    assert are_small(x)
    y, _ = softmax_forward(x, mask=mask)
    monkeypatch.setattr(softmax_layer, "are_small", lambda x: False)
    textbook, _ = softmax_forward(x, mask=mask)
    np.testing.assert_allclose(y, textbook, rtol=1e-5 if dtype == "float32" else 1e-13, atol=1e-30)


@pytest.mark.parametrize("score", [SAFE_EXPONENT * 1.01, -SAFE_EXPONENT * 1.01, np.nan, np.inf])
def test_other_scores_do(score):
    assert not are_small(np.array([[0.0, score]]))


def test_rows_are_added_as_one_by_one():
    ids, rows = RNG.integers(0, 5, 40), RNG.standard_normal((40, 3))
    table, one_by_one = np.ones((6, 3)), np.ones((6, 3))
    add_rows(table, ids, rows)
    np.add.at(one_by_one, ids, rows)
    np.testing.assert_allclose(table, one_by_one, rtol=1e-13)


@pytest.mark.parametrize("bias", [False, True])
def test_the_loss_in_chunks_is_the_loss(bias, monkeypatch):
    """Beside projection and cross-entropy of all logits at once."""
    monkeypatch.setattr(output_loss_layer, "PRODUCT_ROWS", 4)
    monkeypatch.setattr(output_loss_layer, "CACHED_LOGITS", 12)
    N, V, D = 10, 6, 3
    x, targets = RNG.standard_normal((N, D)), RNG.integers(0, V, N)
    parameters = OutputParameters(RNG.standard_normal((V, D)), RNG.standard_normal(V) if bias else None)
    gradients = OutputParameters(np.empty((V, D)), np.empty(V) if bias else None)
    options = {"label_smoothing": 0.1, "token_count": 8}

    expected, cache = cross_entropy_forward(output_projection(x, parameters), targets, **options)
    dlogits = cross_entropy_backward(1.0, cache)
    loss, dx = output_loss_and_gradients(x, parameters, targets, gradients, **options)
    for found in (loss, output_loss(x, parameters, targets, **options)):
        np.testing.assert_allclose(found, expected, rtol=1e-13)
    np.testing.assert_allclose(dx, dlogits @ parameters.weight, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(gradients.weight, dlogits.T @ x, rtol=1e-12, atol=1e-15)
    if bias:
        np.testing.assert_allclose(gradients.bias, dlogits.sum(axis=0), rtol=1e-12, atol=1e-15)
