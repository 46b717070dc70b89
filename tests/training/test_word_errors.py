"""Word error rate, by hand and against plain recursion."""

import random
from functools import cache

import pytest

from numpy_transformer.training.word_errors import edit_distance, word_errors


@pytest.mark.parametrize(
    ("heard", "said", "errors"),
    [
        ("one two three", "one two three", 0),
        ("one five three", "one two three", 1),  # substituted
        ("one three", "one two three", 1),  # left out
        ("one two two three", "one two three", 1),  # put in
        ("", "one two three", 3),
        ("one two", "", 2),
        ("two three one", "one two three", 2),  # the first put in at the end
        ("", "", 0),
    ],
)
def test_by_hand(heard, said, errors):
    assert edit_distance(heard.split(), said.split()) == errors


def test_against_the_definition():
    rng = random.Random(0)
    for _ in range(200):
        one, other = (tuple(rng.choices("abc", k=rng.randrange(7))) for _ in range(2))

        @cache
        def distance(i, j, one=one, other=other):
            if not i or not j:
                return i + j
            same = distance(i - 1, j - 1) + (one[i - 1] != other[j - 1])
            return min(same, distance(i - 1, j) + 1, distance(i, j - 1) + 1)

        assert edit_distance(one, other) == distance(len(one), len(other))


def test_errors_and_words_are_summed_before_they_are_divided():
    found = word_errors(["one two", "four", ""], ["one two", "five six", "nine"])
    assert found.errors == 3
    assert found.words == 5
    assert found.rate == pytest.approx(0.6)
    assert found.exact == pytest.approx(1 / 3)
