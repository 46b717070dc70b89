"""Encoder layer and decoder layer: sub-layers in a row, checked along random directions.

In words. A block computes x -> a(x) -> b(a(x)) -> ..., so its gradient goes back through the same sub-layers in
reverse. Nothing new is differentiated here; what can go wrong is the wiring. The encoder's output (the memory) enters
every decoder layer through cross-attention, beside the main path; its gradient leaves through the same door, and over
all decoder layers it adds up:

    decoder layer:  (x, memory) -> y         dy -> (dx, dmemory)

A block has thousands of derivatives, and a sum of them tells as much as each one alone. Along a direction s of +1 and
-1 the derivative of the loss is sum_i g_i s_i; if one entry of g were wrong by d, so would be this sum. One complex
step along s checks all entries at once, and random signs leave no error a place to cancel.
"""

import pytest
from gradient_draws import DROPOUTS, NORMS, SEEDS, examples, lengths
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.gradcheck.model_cases import decoder_layer, encoder_layer

LENGTHS = st.integers(1, 4).flatmap(lambda longest: lengths(longest, smallest=1))
SHAPES = st.sampled_from(((1, 4), (1, 6), (2, 4), (3, 6)))  # heads, d_model


@examples(0.5)
@given(seed=SEEDS, norm=NORMS, lengths=LENGTHS, dropout=DROPOUTS, shape=SHAPES)
def test_encoder_layer_along_random_directions(agree, seed, norm, lengths, dropout, shape):
    heads, D = shape
    agree(encoder_layer(seed=seed, norm=norm, lengths=lengths, dropout=dropout, heads=heads, d_model=D), along=True)


@examples(0.5)
@given(seed=SEEDS, norm=NORMS, lengths=LENGTHS, target_length=st.integers(1, 4), dropout=DROPOUTS, shape=SHAPES)
def test_decoder_layer_along_random_directions(agree, seed, norm, lengths, target_length, dropout, shape):
    heads, D = shape
    agree(
        decoder_layer(
            seed=seed,
            norm=norm,
            source_lengths=lengths,
            target_length=target_length,
            dropout=dropout,
            heads=heads,
            d_model=D,
        ),
        along=True,
    )


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("builder", [encoder_layer, decoder_layer])
def test_every_single_derivative_of_a_block(agree, builder, norm):
    """Once entry by entry as well, by complex step."""
    agree(builder(seed=1, norm=norm, heads=1, d_model=4), oracles=("complex step",))
