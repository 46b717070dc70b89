"""Attention in blocks: the same function as plain attention, and the same derivatives, whatever the size of a block.

The derivation, in the words of layers/blocked_attention.py:

 1. A softmax row is a quotient of two sums over the keys. Sums can be taken block by block, and an early maximum that
    turns out too small is made good by one factor, exp(m - m').
 2. With L_t = log sum_s exp(scores_ts) kept from the forward, weights_ts = exp(scores_ts - L_t) can be made again at
    any time.
 3. softmax's backward subtracts sum_s dweights_ts weights_ts, which is dC_t . C_t: no row of weights is needed.

So two checks: the oracles, as for every layer, and equality with the plain form.
"""

import tracemalloc

import numpy as np
from gradient_draws import SCALES, SEEDS, SIZES, lengths
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.gradcheck.attention_cases import attention, blocked_attention
from numpy_transformer.layers import multi_head_attention
from numpy_transformer.layers.attention import causal_mask
from numpy_transformer.layers.blocked_attention import (
    BlockedAttentionCache,
    blocked_attention_backward,
    blocked_attention_forward,
    blocked_attention_weights,
)

BLOCKS = st.integers(1, 4)
MASKS = st.sampled_from(("none", "causal", "padding", "causal+padding"))


@given(
    seed=SEEDS,
    mask=MASKS,
    lengths=SIZES.flatmap(lambda longest: lengths(longest, smallest=0)),
    width=SIZES,
    scale=SCALES,
    block=BLOCKS,
)
def test_gradients(agree, seed, mask, lengths, width, scale, block):
    longest = max(lengths)
    agree(
        blocked_attention(
            seed=seed,
            batch=len(lengths),
            heads=1,
            queries=longest,
            keys=longest,
            width=width,
            mask=mask,
            lengths=lengths,
            scale=scale,
            block=block,
        )
    )


@given(seed=SEEDS, mask=MASKS, queries=st.integers(1, 9), keys=st.integers(1, 9), data=st.data())
def test_equals_plain_attention(seed, mask, queries, keys, data):
    sizes = {"seed": seed, "mask": mask, "queries": queries, "keys": keys, "lengths": (keys, data.draw(SIZES) % keys)}
    plain, blocked = attention(**sizes), blocked_attention(**sizes, block=data.draw(BLOCKS))
    np.testing.assert_allclose(blocked.forward(blocked.inputs), plain.forward(plain.inputs), rtol=1e-12, atol=1e-13)
    theirs = plain.gradients(plain.inputs)
    for name, ours in blocked.gradients(blocked.inputs).items():
        np.testing.assert_allclose(ours, theirs[name], rtol=1e-11, atol=1e-12)


@given(length=st.integers(1, 40))
def test_the_causal_mask_is_a_triangle_stored_as_a_line(length):
    mask = causal_mask(length, np.zeros(1))
    np.testing.assert_array_equal(mask, np.tri(length, dtype=bool))
    assert mask.strides == (-1, 1)  # each row is the line of 2T - 1 values, read from one place earlier


def test_weights_can_be_looked_at():
    q, k, v = np.random.default_rng(0).normal(size=(3, 2, 2, 7, 3))
    mask = causal_mask(7, q) & (np.arange(7) < np.array([7, 4])[:, None])[:, None, None]
    context, cache = blocked_attention_forward(query=q, key=k, value=v, mask=mask, block=3)
    weights = blocked_attention_weights(cache)
    np.testing.assert_allclose(weights.sum(axis=-1), 1)
    np.testing.assert_allclose(weights @ v, context)
    assert not weights[~np.broadcast_to(mask, weights.shape)].any()


def test_memory_grows_with_the_length_not_with_its_square():
    """Twice the length takes at most twice the memory, forward and backward, with a causal mask."""

    def peak(length):
        q, k, v, dcontext = np.random.default_rng(0).normal(size=(4, 1, 1, length, 8)).astype(np.float32)
        gradients = {name: np.empty_like(q) for name in ("dquery", "dkey", "dvalue")}
        tracemalloc.start()
        _, cache = blocked_attention_forward(query=q, key=k, value=v, mask=causal_mask(length, q), block=64)
        blocked_attention_backward(dcontext, cache, **gradients)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(2048) <= 2 * peak(1024)


def test_long_sentences_take_the_blocked_form(monkeypatch):
    """Self-attention gives the same results on both sides of the threshold, from the same layer function."""
    from numpy_transformer.gradcheck.attention_cases import self_attention

    case = self_attention(seed=3, length=6, mask="causal+padding", lengths=(6, 4))
    plain_y, plain = case.forward(case.inputs), case.gradients(case.inputs)
    monkeypatch.setattr(multi_head_attention, "BLOCKED_FROM", 5)
    _, cache = multi_head_attention.attend(*np.random.default_rng(0).normal(size=(3, 1, 1, 6, 2)))
    assert isinstance(cache, BlockedAttentionCache)
    np.testing.assert_allclose(case.forward(case.inputs), plain_y, rtol=1e-12, atol=1e-13)
    for name, gradient in case.gradients(case.inputs).items():
        np.testing.assert_allclose(gradient, plain[name], rtol=1e-10, atol=1e-12)
