"""gradcheck/diagnosis.py: each kind of mistake, made in a real backward where there is one, is called by its name."""

import doctest

import numpy as np
import pytest

from numpy_transformer.gradcheck import diagnosis
from numpy_transformer.gradcheck.diagnosis import diagnose, recognised

RNG = np.random.default_rng(5)
RIGHT = RNG.standard_normal((2, 3, 4))
CENTERED = RIGHT - RIGHT.mean(axis=-1, keepdims=True)
KEPT = RNG.random(RIGHT.shape) > 0.4
SQUARE = RNG.standard_normal((4, 4))
GAIN = np.array([0.5, 2.0, -1.0, 3.0])
ONE_NAN = np.where(np.arange(4) == 1, np.nan, RIGHT)


@pytest.mark.parametrize(
    ("found", "expected", "words"),
    [
        (-RIGHT, RIGHT, "the sign is wrong: every entry is -1 times"),
        (RIGHT * 3**-0.5, RIGHT, "every entry is 0.57735 = 1/sqrt(3) times what it should be: 3 is the length of"),
        (RIGHT * 0.7, RIGHT, "every entry is 0.7 times"),
        (2 * RIGHT, RIGHT, "every entry is 2 times"),
        (RIGHT, CENTERED, "off by the same amount along the last axis: a mean or a sum over it was not subtracted"),
        (RIGHT, RIGHT - RIGHT.mean(axis=1, keepdims=True), "off by the same amount along axis 1"),
        (RIGHT, RIGHT - 0.25, "every entry is too large by the same 0.25"),
        (RIGHT, RIGHT * KEPT, f"{KEPT.sum()} of 24 entries are right; the others should be 0: a mask is missing"),
        (RIGHT * KEPT, RIGHT, "the others are 0: a mask too many"),
        (np.where(KEPT, RIGHT, 2 * RIGHT), RIGHT, "entries are right; the others are 2 times"),
        (SQUARE.T, SQUARE, "it is the transpose"),
        (RIGHT.swapaxes(1, 2), RIGHT, "should be (2, 3, 4): the transpose is missing"),
        (RIGHT[::-1].copy(), RIGHT, "the right numbers stand in the wrong places"),
        (RIGHT.reshape(6, 4), RIGHT, "a reshape is missing"),
        (RIGHT, RIGHT.sum(axis=(0, 1)), "the sum over the leading axes is missing"),
        (RIGHT[..., :1], RIGHT, "its shape is (2, 3, 1); it should be (2, 3, 4)"),
        (np.full_like(RIGHT, np.nan), RIGHT, "it was never assigned"),
        (ONE_NAN, RIGHT, "6 of 24 entries are nan or infinite"),
        (np.zeros_like(RIGHT), RIGHT, "every entry is 0"),
        (RIGHT, np.zeros_like(RIGHT), "every entry should be 0"),
        (np.where(KEPT, RIGHT, -RIGHT), RIGHT, "the sizes are right, but 10 of 24 entries have the wrong sign"),
        (RIGHT, RIGHT * GAIN, "a factor that differs along the last axis is missing, such as a gain"),
        (RIGHT, RIGHT * np.arange(1, 7).reshape(2, 3, 1), "each row is off by a factor of its own"),
        (RIGHT, RIGHT * np.array([2.0, 5.0]).reshape(2, 1, 1), "a factor that differs along axis 0"),
        (CENTERED * np.exp(RIGHT), CENTERED, "each row should sum to 0, and does not"),
        (np.concatenate([RIGHT[:1], RIGHT[1:] ** 2]), RIGHT, "12 of 24 entries are right; the wrong ones are at [1]"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(found, expected, words):
    assert words in diagnose(found, expected)


def test_equal_arrays_have_no_mistake_and_chaos_has_no_name():
    assert diagnose(RIGHT, RIGHT * (1 + 1e-12)) == ""
    assert diagnose(np.exp(RIGHT), RIGHT) == ""
    assert diagnose(np.zeros((0, 3)), np.zeros((0, 3))) == ""


def test_two_exchanged_results_are_noticed():
    others = {"query": RIGHT, "key": RIGHT[::-1] * 1.5}
    assert diagnose(others["key"], RIGHT, others=others) == "it is the gradient of key: two results are exchanged"


def test_numbers_that_do_not_come_from_a_size_are_not_explained():
    assert recognised(0.7) == "0.7"
    assert recognised(1 / 12) == "0.083333 = 1/12"
    assert recognised(-(2**0.5)) == "-1.4142 = -sqrt(2)"
    assert recognised(1e-30) == "1e-30"


def test_one_number_alone():
    assert "-1 times" in diagnose(np.array(-2.0), np.array(2.0))


def test_the_examples_in_the_docstrings():
    assert doctest.testmod(diagnosis).failed == 0
    assert doctest.testmod(diagnosis).attempted >= 3
