"""Positions: y = x + table, where the table is a constant, so dx = dy (layers/embedding.py).

What can go wrong is the table itself. test_paper_conformance.py checks it against the paper's formula; here stands the
rotation property that the paper names as its reason.
"""

import math

import numpy as np
from gradient_draws import LEADING, SEEDS, SIZES
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.gradcheck.layer_cases import positional_encoding
from numpy_transformer.layers.position_table import sinusoids


@given(seed=SEEDS, leading=LEADING, length=SIZES, half=SIZES, start=st.integers(0, 200))
def test_gradients(agree, seed, leading, length, half, start):
    agree(positional_encoding(seed=seed, leading=leading, length=length, d_model=2 * half, start=start))


@given(position=st.integers(0, 300), shift=st.integers(0, 100), half=st.integers(1, 8))
def test_a_shift_is_the_same_rotation_everywhere(position, shift, half):
    """Why sinusoids: encoding[t + k] is a linear map of encoding[t], and the map depends on k only (section 3.5)."""
    table = sinusoids(position + shift + 1, 2 * half)
    for i in range(half):
        angle = shift / 10000 ** (2 * i / (2 * half))
        rotation = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        here, there = table[position, 2 * i : 2 * i + 2], table[position + shift, 2 * i : 2 * i + 2]
        np.testing.assert_allclose(rotation @ here, there, atol=1e-12)
