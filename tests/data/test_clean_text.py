"""What counts as the same text: byte order marks, edges and composed letters."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.data.clean_text import clean_text

odd = st.text("a \n\r\t\u00a0\u3000\u2028\ufeffuÜ\u0308\u0301\u0323\u1100\u1161\u11a8\U0001d15e", max_size=12)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Hallo", "Hallo"),
        (" Hallo \r\n", "Hallo"),
        ("\u00a0\u3000\u2028Hallo\x85\x1c", "Hallo"),
        ("\ufeffHallo\ufeff, du\ufeff", "Hallo, du"),
        (" \ufeff Hallo", "Hallo"),
        ("Gru\u0308\u00dfe", "Grüße"),
        ("u\ufeff\u0308", "ü"),
        ("a  b\tc\nd", "a  b\tc\nd"),  # what stands inside stays
        ("ﬁ①", "ﬁ①"),  # nor is anything replaced by what only looks like it
        (" \ufeff\r\n ", ""),
        ("", ""),
        ("\ud800", "\ud800"),
    ],
)
def test_the_rule(text, cleaned):
    assert clean_text(text) == cleaned


@given(st.one_of(odd, st.text()))
def test_cleaning_twice_changes_nothing_more(text):
    once = clean_text(text)
    assert clean_text(once) == once
    assert once == once.strip()
    assert "\ufeff" not in once


@given(odd)
def test_composed_and_decomposed_letters_are_the_same_text(text):
    assert clean_text(unicodedata.normalize("NFD", text)) == clean_text(text)


@pytest.mark.parametrize("heap", ["\u0301\u0323" * 500_000, "\u0301" * 500_000 + "\u0323" * 500_000], ids=len)
def test_heaps_of_marks_do_not_take_forever(heap):
    """Sorting them takes time with the square of their number: hours, were they not left alone."""
    assert clean_text(f" o\u0308 a{heap}\nu\u0308 ") == f"ö a{heap}\nü"
