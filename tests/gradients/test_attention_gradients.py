"""Scaled dot-product attention against both oracles, with and without masks and dropout (layers/attention.py derives
it).

What a mistake would look like:

- dV, dQ or dK without the transpose: the wrong shape, unless queries, keys and width are equally many. So the sizes
drawn here differ. - The row's mean left out of softmax's gradient: the rows of dS no longer sum to 0. - 1 / sqrt(d)
left out of dQ and dK: every entry is too large by the same factor. - A mask applied to the scores alone, with a
weight that is small instead of 0: hidden keys get a gradient. A query that sees no key at all (a sentence of padding
only) is the case where this shows first. - Dropout's mask forgotten on the way to dA, or drawn anew.
"""

import numpy as np
import pytest
from gradient_draws import DROPOUTS, SCALES, SEEDS, SIZES, lengths
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.gradcheck.attention_cases import attention
from numpy_transformer.layers.attention import (
    causal_mask,
    scaled_dot_product_attention_backward,
    scaled_dot_product_attention_forward,
)


@given(seed=SEEDS, heads=SIZES, queries=SIZES, keys=SIZES, width=SIZES, scale=SCALES, dropout=DROPOUTS)
def test_gradients_without_mask(agree, seed, heads, queries, keys, width, scale, dropout):
    agree(
        attention(
            seed=seed, heads=heads, queries=queries, keys=keys, width=width, scale=scale, batch=1, dropout=dropout
        )
    )


@given(
    seed=SEEDS,
    mask=st.sampled_from(("causal", "padding", "causal+padding")),
    lengths=SIZES.flatmap(lambda longest: lengths(longest, smallest=0)),
    width=SIZES,
    scale=SCALES,
    dropout=DROPOUTS,
)
def test_gradients_with_masks(agree, seed, mask, lengths, width, scale, dropout):
    """Lengths may be 0: a sentence of padding only beside a long one."""
    longest = max(lengths)
    agree(
        attention(
            seed=seed,
            batch=len(lengths),
            heads=1,
            queries=longest,
            keys=longest,
            width=width,
            mask=mask,
            lengths=lengths,
            scale=scale,
            dropout=dropout,
        )
    )


def test_one_key_takes_all_the_weight(agree):
    """With one key the weight is 1 whatever the score: query and key have no gradient, the value has all of it."""
    case = attention(seed=0, keys=1)
    agree(case)
    gradients = case.gradients(case.inputs)
    assert not gradients["query"].any()
    assert not gradients["key"].any()
    np.testing.assert_allclose(gradients["value"], case.upstream.sum(axis=2, keepdims=True), rtol=1e-15)


def test_a_sentence_of_padding_only_neither_gives_nor_takes(agree):
    case = attention(seed=0, mask="padding", lengths=(4, 0))
    agree(case)
    assert not case.forward(case.inputs)[1].any()
    assert not any(gradient[1].any() for gradient in case.gradients(case.inputs).values())


@given(seed=SEEDS, keys=SIZES, dropout=DROPOUTS)
def test_a_shift_of_all_keys_has_no_gradient(seed, keys, dropout):
    """A vector b added to every key adds Q_t . b / sqrt(K) to all scores of query t, which softmax ignores. So the
    derivative along it vanishes: sum_s dK_s = 0. That is why a key bias never learns."""
    case = attention(seed=seed, keys=keys, dropout=dropout)
    dkey = case.gradients(case.inputs)["key"]
    assert np.abs(dkey.sum(axis=2)).max() <= 1e-13 * max(1.0, np.abs(dkey).max())


@given(seed=SEEDS, length=SIZES)
def test_permuting_keys_with_their_values_changes_nothing(seed, length):
    """Attention reads a set. Permute keys and values: same context, and their gradients permuted alike."""
    case = attention(seed=seed, queries=3, keys=length)
    order = np.random.default_rng(seed).permutation(length)
    permuted = dict(case.inputs, key=case.inputs["key"][:, :, order], value=case.inputs["value"][:, :, order])
    np.testing.assert_allclose(case.forward(permuted), case.forward(case.inputs), rtol=1e-12, atol=1e-13)
    ours, theirs = case.gradients(case.inputs), case.gradients(permuted)
    np.testing.assert_allclose(theirs["query"], ours["query"], rtol=1e-10, atol=1e-12)
    for name in ("key", "value"):
        np.testing.assert_allclose(theirs[name], ours[name][:, :, order], rtol=1e-10, atol=1e-12)


@given(seed=SEEDS, length=st.integers(2, 6), data=st.data())
def test_causality_is_exact(seed, length, data):
    """Change a later key and value: everything before stays equal in every bit; no gradient reaches back."""
    case = attention(seed=seed, queries=length, keys=length, mask="causal")
    at = data.draw(st.integers(1, length - 1))
    changed = {name: x.copy() for name, x in case.inputs.items()}
    changed["key"][:, :, at:] += 7.0
    changed["value"][:, :, at:] *= -3.0
    np.testing.assert_array_equal(case.forward(changed)[:, :, :at], case.forward(case.inputs)[:, :, :at])
    _, cache = scaled_dot_product_attention_forward(**case.inputs, mask=causal_mask(length, case.upstream))
    dcontext = case.upstream.copy()
    dcontext[:, :, at:] = 0  # a loss that looks at the positions before `at` only
    dquery, dkey, dvalue = (np.empty_like(x) for x in case.inputs.values())
    scaled_dot_product_attention_backward(dcontext, cache, dquery=dquery, dkey=dkey, dvalue=dvalue)
    assert not dkey[:, :, at:].any()
    assert not dvalue[:, :, at:].any()


def test_the_subtracted_mean_is_dcontext_times_context():
    """Step 3's shortcut, which memory-saving attention kernels use."""
    case = attention(seed=5)
    context, cache = scaled_dot_product_attention_forward(**case.inputs)
    dweights = case.upstream @ case.inputs["value"].swapaxes(-1, -2)
    np.testing.assert_allclose((cache.weights * dweights).sum(axis=-1), (case.upstream * context).sum(axis=-1))


def test_worked_example_tom_eats_fish():
    """ "Tom eats fish": the query 1.0 of one word meets the keys 2.0, 0.1, 1.5 of all three (K = 1, so sqrt(K) = 1).

        exp(2.0) + exp(0.1) + exp(1.5) = 7.389 + 1.105 + 4.482 = 12.976
        weights = 7.389 / 12.976, 1.105 / 12.976, 4.482 / 12.976 = 0.5694, 0.0852, 0.3454

    Often printed as 0.57, 0.08, 0.35, which are the two-digit numbers nearest to them that sum to 1. With values
    (1, 0), (0, 0), (0, 1) the word takes 0.57 of "Tom" and 0.35 of "fish".
    """
    context, cache = scaled_dot_product_attention_forward(
        query=np.array([[[[1.0]]]]),
        key=np.array([[[[2.0], [0.1], [1.5]]]]),
        value=np.array([[[[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]]]),
    )
    weights = cache.weights[0, 0, 0]
    assert [f"{w:.4f}" for w in weights] == ["0.5694", "0.0852", "0.3454"]
    assert [f"{c:.2f}" for c in context[0, 0, 0]] == ["0.57", "0.35"]
    cents = range(101)
    triples = [(i / 100, j / 100, (100 - i - j) / 100) for i in cents for j in cents if i + j <= 100]
    assert min(triples, key=lambda t: np.abs(t - weights).sum()) == (0.57, 0.08, 0.35)


@pytest.mark.parametrize("width", [1, 4, 64])
def test_scores_of_unit_variance_vectors_have_unit_variance(width):
    """Why sqrt(K): the dot product of two vectors of K unit normals has variance K (section 3.2.1, footnote 4)."""
    rng = np.random.default_rng(0)
    query, key = rng.standard_normal((2, 200_000, width))
    assert abs((query * key).sum(axis=-1).var() / width - 1) < 0.05
