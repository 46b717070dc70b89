"""Learned positions: y = x + a vector for each position.

In words. Each sentence adds the same vector at position t, so that vector's gradient is the sum over sentences. A
vector beyond the longest sentence was not used: its gradient is 0, and must be written, as the buffer holds others.
"""

from gradient_draws import SEEDS, SIZES
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.gradcheck.layer_cases import embedding, learned_positions


@given(seed=SEEDS, sentences=SIZES, length=SIZES, more=st.integers(0, 3), width=SIZES)
def test_gradients(agree, seed, sentences, length, more, width):
    agree(
        learned_positions(seed=seed, sentences=sentences, length=length, positions=length + more, d_model=width),
    )


@given(seed=SEEDS, scale=st.sampled_from((1.0, 0.5)))
def test_an_embedding_without_the_paper_s_factor(agree, seed, scale):
    agree(embedding(seed=seed, scale=scale))
