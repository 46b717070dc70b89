"""Self-attention and cross-attention with all projections (layers/multi_head_attention.py derives them).

What a mistake would look like: heads split along the wrong axis (right for one head only); dQ, dK and dV put back in
another order; in self-attention only one of x's three gradients; the memory's gradient left out or overwritten. A key
bias moves every score of a query alike, so its gradient must be exactly 0.
"""

import numpy as np
from gradient_draws import DROPOUTS, SCALES, SEEDS, examples, lengths
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.gradcheck.attention_cases import cross_attention, self_attention
from numpy_transformer.layers.linear import LinearParameters
from numpy_transformer.layers.multi_head_attention import (
    CrossAttentionParameters,
    SelfAttentionParameters,
    cross_attention_forward,
    self_attention_forward,
)

HEADS = st.integers(1, 3)
WIDTHS = st.integers(1, 3)
LENGTHS = st.integers(1, 4).flatmap(lambda longest: lengths(longest, smallest=0, sentences=2))


@examples(0.5)
@given(
    seed=SEEDS,
    lengths=LENGTHS,
    heads=HEADS,
    width=WIDTHS,
    mask=st.sampled_from(("none", "causal", "padding", "causal+padding")),
    dropout=DROPOUTS,
    scale=SCALES,
)
def test_self_attention_gradients(agree, seed, lengths, heads, width, mask, dropout, scale):
    agree(
        self_attention(
            seed=seed,
            batch=len(lengths),
            length=max(lengths),
            heads=heads,
            width=width,
            mask=mask,
            lengths=lengths,
            dropout=dropout,
            scale=scale,
        )
    )


@examples(0.5)
@given(
    seed=SEEDS, lengths=LENGTHS, queries=st.integers(1, 3), heads=HEADS, width=WIDTHS, dropout=DROPOUTS, scale=SCALES
)
def test_cross_attention_gradients(agree, seed, lengths, queries, heads, width, dropout, scale):
    agree(
        cross_attention(
            seed=seed,
            batch=len(lengths),
            queries=queries,
            keys=max(lengths),
            heads=heads,
            width=width,
            lengths=lengths,
            dropout=dropout,
            scale=scale,
        )
    )


@given(seed=SEEDS, heads=HEADS, width=WIDTHS, dropout=DROPOUTS)
def test_a_key_bias_has_no_gradient(seed, heads, width, dropout):
    D = heads * width
    fused = self_attention(seed=seed, heads=heads, width=width, dropout=dropout)
    bias = fused.gradients(fused.inputs)["query_key_value.bias"]
    assert np.abs(bias[D : 2 * D]).max() <= 1e-13 * max(1.0, np.abs(bias).max())
    separate = cross_attention(seed=seed, heads=heads, width=width, dropout=dropout)
    bias = separate.gradients(separate.inputs)["key_value.bias"]
    assert np.abs(bias[:D]).max() <= 1e-13 * max(1.0, np.abs(bias).max())


@given(seed=SEEDS, heads=HEADS, width=WIDTHS)
def test_fused_and_separate_projections_are_one_function(seed, heads, width):
    """Self-attention is cross-attention whose memory is x: same output, and dx is dx plus dmemory."""
    D = heads * width
    fused = self_attention(seed=seed, heads=heads, width=width, mask="none")
    separate = cross_attention(seed=seed, heads=heads, width=width, queries=4, keys=4)
    weight, bias = fused.inputs["query_key_value.weight"], fused.inputs["query_key_value.bias"]
    inputs = {
        "x": fused.inputs["x"],
        "memory": fused.inputs["x"],
        "query.weight": weight[:, :D],
        "query.bias": bias[:D],
        "key_value.weight": weight[:, D:],
        "key_value.bias": bias[D:],
        "output.weight": fused.inputs["output.weight"],
        "output.bias": fused.inputs["output.bias"],
    }
    np.testing.assert_allclose(separate.forward(inputs), fused.forward(fused.inputs), rtol=1e-10, atol=1e-11)
    one, two = fused.gradients(fused.inputs), _with_upstream(separate, fused.upstream).gradients(inputs)
    np.testing.assert_allclose(two["x"] + two["memory"], one["x"], rtol=1e-8, atol=1e-9)
    joined = np.concatenate([two["query.weight"], two["key_value.weight"]], axis=1)
    np.testing.assert_allclose(joined, one["query_key_value.weight"], rtol=1e-8, atol=1e-9)


def _with_upstream(case, upstream):
    return case.replace_activations(lambda x: upstream if x is case.upstream else x)


def test_heads_do_not_mix():
    """Head 0 reads and writes its own columns only: silencing head 1's value leaves head 0's part of the context."""
    rng = np.random.default_rng(0)
    D, x = 6, rng.standard_normal((1, 4, 6))
    weight = rng.standard_normal((D, 3 * D))
    identity = LinearParameters(np.eye(D), np.zeros(D))

    def contexts(weight):
        parameters = SelfAttentionParameters(LinearParameters(weight, np.zeros(3 * D)), identity)
        return self_attention_forward(x, parameters, heads=2)[0]

    silenced = weight.copy()
    silenced[:, 2 * D + 3 :] = 0  # value columns of head 1
    np.testing.assert_array_equal(contexts(silenced)[..., :3], contexts(weight)[..., :3])
    assert not contexts(silenced)[..., 3:].any()


@given(seed=SEEDS, extra=st.integers(1, 3))
def test_padding_behind_changes_nothing(seed, extra):
    """Memory with more padding at its end gives the same output, because padded keys have weight 0."""
    rng = np.random.default_rng(seed)
    D, x, memory = 6, rng.standard_normal((1, 3, 6)), rng.standard_normal((1, 4, 6))
    parameters = CrossAttentionParameters(
        LinearParameters(rng.standard_normal((D, D)), rng.standard_normal(D)),
        LinearParameters(rng.standard_normal((D, 2 * D)), rng.standard_normal(2 * D)),
        LinearParameters(rng.standard_normal((D, D)), rng.standard_normal(D)),
    )
    padded = np.concatenate([memory, 100 * rng.standard_normal((1, extra, D))], axis=1)
    mask = (np.arange(4 + extra) < 4)[None, None, None]
    alone, _ = cross_attention_forward(x, parameters, memory=memory, heads=2)
    beside, _ = cross_attention_forward(x, parameters, memory=padded, heads=2, mask=mask)
    np.testing.assert_allclose(beside, alone, rtol=1e-10, atol=1e-11)
