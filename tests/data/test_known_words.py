"""What a model has seen: words as Unicode cuts them, found again in any spelling, kept in one file of the run."""

import doctest
from pathlib import Path

import pytest

from numpy_transformer.data import known_words
from numpy_transformer.data.known_words import KnownWords, word_key, word_spans
from numpy_transformer.errors import InputError


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't shout, it's an e-mail!", ["Don't", "shout", "it's", "an", "e", "mail"]),
        ("  (1,300 words)\n", ["1,300", "words"]),
        ("cafe\u0301 Öl", ["cafe\u0301", "Öl"]),
        ("日本 a", ["日", "本", "a"]),
        ("... ?!", []),
        ("", []),
    ],
)
def test_words_are_cut_as_unicode_says(text: str, words: list[str]):
    assert [text[start:end] for start, end in word_spans(text)] == words


def test_unknown_words_are_found_where_they_stand():
    known = KnownWords.of(["The dog sees me.", "I don't see a café."])
    assert len(known) == 9
    assert known.unknown("THE dog, the DOG and the cafe\u0301") == [(17, 20)]
    assert known.unknown("zebra? The zebra!") == [(0, 5), (11, 16)]
    assert known.unknown("") == []


def test_the_file_gives_the_same_words_back(tmp_path: Path):
    known = KnownWords.of(["The dog sees the Öl.", "x\u2028y"])
    known.save(tmp_path / "words.txt")
    assert (tmp_path / "words.txt").read_text(encoding="utf-8") == "dog\nsees\nthe\nx\ny\nöl\n"
    loaded = KnownWords.load(tmp_path / "words.txt")
    assert loaded is not None
    assert len(loaded) == len(known) == 6
    assert loaded.unknown("the öl, the cat") == [(12, 15)]


def test_an_older_run_has_no_file_and_a_damaged_one_is_named(tmp_path: Path):
    assert KnownWords.load(tmp_path / "words.txt") is None
    (tmp_path / "words.txt").write_bytes(b"dog\nk\xffse\n")
    with pytest.raises(InputError, match=r"words\.txt, line 2: is not UTF-8"):
        KnownWords.load(tmp_path / "words.txt")


def test_a_long_text_is_cut_in_linear_time():
    """Hundreds of thousands of characters without a boundary, or with one after each, are a matter of milliseconds."""
    assert list(word_spans("a" * 300_000)) == [(0, 300_000)]
    assert len(list(word_spans("a." * 100_000 + "日" * 100_000))) > 100_000


def test_a_heap_of_marks_is_no_long_work():
    """To compose it as a whole would take time with the square of its length: hours."""
    heap = "\u0301" * 400_000 + "\u0323" * 400_000
    assert word_key(f"U\u0308{heap}") == f"u\u0308{heap}"
    assert word_key("U\u0308ber") == "über"


def test_the_examples_in_the_docstrings():
    assert doctest.testmod(known_words).failed == 0
