"""Philox4x32-10 and the dropout masks drawn from it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.backend import philox
from numpy_transformer.backend.dropout_masks import DropoutMasks, DropoutSite

# Random123's known answers for philox4x32 with 10 rounds: counter, key, result.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
WORDS = st.integers(0, 2**32 - 1)


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN_ANSWERS)
def test_the_published_answers(counter, key, result):
    low, high = words(key)
    found = philox.philox4x32(np.array(words(counter))[:, None], (low, high))
    assert found[:, 0].tolist() == words(result)


def test_counters_side_by_side_do_not_meet():
    """All known counters at once, under each key."""
    counters = np.array([words(counter) for counter, _, _ in KNOWN_ANSWERS]).T
    for n, (_, key, result) in enumerate(KNOWN_ANSWERS):
        low, high = words(key)
        assert philox.philox4x32(counters, (low, high))[:, n].tolist() == words(result)


@given(
    rows=st.integers(0, 40), columns=st.integers(1, 40), low=WORDS, high=WORDS, site=WORDS, at_once=st.integers(1, 100)
)
def test_an_element_is_a_half_word_of_its_counter(rows, columns, low, high, site, at_once):
    """The layout that philox.cuh shares, whatever the size of the parts in which the numbers are made."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(philox, "COUNTERS_AT_ONCE", at_once)
        found = philox.random_halves(rows, columns, key=(low, high), site=site)
    assert found.shape == (rows, columns)
    assert found.dtype == np.uint16
    for row, column in [(0, 0), (rows - 1, columns - 1), (rows // 2, columns // 3)] if rows else []:
        counter = np.array([[column // 8], [row], [site], [0]])
        word = int(philox.philox4x32(counter, (low, high))[column % 8 // 2, 0])
        assert found[row, column] == (word >> 16 if column % 2 else word & 0xFFFF)


def test_all_halves_are_equally_likely():
    """Chi-squared over 256 bins of a million draws, for low and high bytes: 255 degrees, so 6 deviations are 390."""
    halves = philox.random_halves(1000, 1000, key=(1, 2), site=3)
    for byte in (halves & 0xFF, halves >> 8):
        counts = np.bincount(byte.ravel(), minlength=256)
        assert ((counts - 1e6 / 256) ** 2 / (1e6 / 256)).sum() < 255 + 6 * 510**0.5


@pytest.mark.parametrize("philox", [False, True])
def test_masks_are_a_function_of_seed_and_site(philox):
    def draw(seed):
        masks = DropoutMasks(0.3, seed, philox=philox)
        return [masks.next_mask((7, 11)).tobytes() for _ in range(3)]

    assert draw((4, 2)) == draw((4, 2))
    assert len({*draw((4, 2)), *draw((4, 3)), *draw((5, 2))}) == 9


def test_a_site_draws_its_mask_again():
    masks = DropoutMasks(0.3, 5, philox=True)
    mask = masks.next_mask((3, 4, 11))
    site = DropoutMasks(0.3, 5, philox=True).next_site()
    np.testing.assert_array_equal(site.mask((3, 4, 11)), mask)
    np.testing.assert_array_equal(site.mask((12, 11)).reshape(3, 4, 11), mask)  # the rows count, not the axes


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1 - 1 / 65536])
def test_the_share_that_is_kept(p):
    kept = DropoutSite((9, 8), 7, round(p * 65536)).mask((1000, 1001))
    assert abs(kept.mean() - (1 - p)) <= 5 * (p * (1 - p) / kept.size) ** 0.5
    assert (p > 0) or kept.all()
