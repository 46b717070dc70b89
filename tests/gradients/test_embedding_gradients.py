"""Embedding: rows of a table (layers/embedding.py derives its gradient).

What a mistake would look like: `gradients[ids] = dy` keeps only the last of an id's positions, so ids repeat in every
draw; `gradients = ...` instead of += loses what the output projection left in the shared table; sqrt(D) missing is a
factor in every entry. Rows of absent ids must get nothing.
"""

import math

import numpy as np
from gradient_draws import SEEDS, SIZES
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.gradcheck.layer_cases import embedding
from numpy_transformer.layers.embedding import EmbeddingParameters, embedding_backward, embedding_forward


@given(seed=SEEDS, vocabulary=SIZES, half=SIZES, B=SIZES, T=SIZES, positions=st.booleans())
def test_gradients(agree, seed, vocabulary, half, B, T, positions):
    agree(embedding(seed=seed, vocabulary=vocabulary, d_model=2 * half, shape=(B, T), positions=positions))


def test_repeated_ids_collect_and_absent_ids_stay_untouched():
    ids = np.array([[2, 0, 2], [2, 3, 3]])
    dy = np.arange(12.0).reshape(2, 3, 2)
    gradients = EmbeddingParameters(np.zeros((5, 2)))
    embedding_backward(dy, ids, gradients)
    by_hand = {0: dy[0, 1], 2: dy[0, 0] + dy[0, 2] + dy[1, 0], 3: dy[1, 1] + dy[1, 2]}
    for row in range(5):
        np.testing.assert_allclose(gradients.weight[row], math.sqrt(2) * by_hand.get(row, np.zeros(2)), rtol=1e-15)


@given(seed=SEEDS)
def test_adds_to_what_stands_there(seed):
    rng = np.random.default_rng(seed)
    ids, dy, before = rng.integers(0, 4, (2, 3)), rng.standard_normal((2, 3, 5)), rng.standard_normal((4, 5))
    alone, added = EmbeddingParameters(np.zeros((4, 5))), EmbeddingParameters(before.copy())
    embedding_backward(dy, ids, alone)
    embedding_backward(dy, ids, added)
    np.testing.assert_allclose(added.weight, before + alone.weight, rtol=1e-14, atol=1e-14)


def test_backward_is_the_transpose_of_forward():
    """<forward(E), dy> = <E, backward(dy)> for every E and dy: that is what a gradient of a linear map is."""
    rng = np.random.default_rng(0)
    ids, dy, table = rng.integers(0, 6, (4, 7)), rng.standard_normal((4, 7, 3)), rng.standard_normal((6, 3))
    y = embedding_forward(ids, EmbeddingParameters(table))
    gradients = EmbeddingParameters(np.zeros((6, 3)))
    embedding_backward(dy, ids, gradients)
    assert math.isclose((y * dy).sum(), (table * gradients.weight).sum(), rel_tol=1e-13)


@given(seed=SEEDS, vocabulary=st.sampled_from([1, 2, 3, 50]), tokens=st.integers(0, 40))
def test_runs_of_any_length_are_summed(seed, vocabulary, tokens):
    """From all ids different to all equal; every number is small and whole, so that sums are exact in any order."""
    rng = np.random.default_rng(seed)
    ids, dy = rng.integers(0, vocabulary, (1, tokens)), rng.integers(-9, 10, (1, tokens, 4)).astype(float)
    gradients, expected = EmbeddingParameters(np.zeros((vocabulary, 4))), np.zeros((vocabulary, 4))
    embedding_backward(dy, ids, gradients)
    np.add.at(expected, ids, 2 * dy)  # sqrt(D) = 2
    np.testing.assert_array_equal(gradients.weight, expected)
