"""The sentence splitter: where it cuts, where it does not, and that no word is ever lost."""

import re

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.translation.sentences import SENTENCE_END, cut, split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("A dog runs. A cat sleeps.", ["A dog runs.", "A cat sleeps."]),
        ("Really?! Yes.  No", ["Really?!", "Yes.", "No"]),
        ('He said: "Go." Then he left.', ['He said: "Go."', "Then he left."]),
        ('"Go!" he said. (So it was.) End.', ['"Go!" he said.', "(So it was.)", "End."]),
        ("Mr. Smith met Dr. Jones, e.g. in St. Louis. They spoke.", None),
        ("J. S. Bach lebte in Leipzig. Er komponierte.", ["J. S. Bach lebte in Leipzig.", "Er komponierte."]),
        ("Am 3. Oktober kam z.B. Frau Meier. Sie blieb.", ["Am 3. Oktober kam z.B. Frau Meier.", "Sie blieb."]),
        ("It was 1999. He was 3.5 feet tall.", ["It was 1999.", "He was 3.5 feet tall."]),
        ("Wait... what? well.", ["Wait... what? well."]),
        ("See example.com today.", ["See example.com today."]),
        ("这是一。那是二！", ["这是一。", "那是二！"]),
        ("no mark at all", ["no mark at all"]),
        ("...", ["..."]),
        ("", []),
        (" \t ", []),
    ],
)
def test_where_sentences_end(text, sentences):
    if sentences is None:
        sentences = ["Mr. Smith met Dr. Jones, e.g. in St. Louis.", "They spoke."]
    assert split_sentences(text) == sentences


def without_spaces(text: str) -> str:
    return re.sub(r"\s", "", text)


texts = st.one_of(st.text(max_size=60), st.text(alphabet="ab .,!?;:-–\"')( \tÄ。。1", max_size=120))


@given(text=texts, limit=st.integers(1, 20))
def test_nothing_is_lost_and_every_part_fits(text, limit):
    sentences = split_sentences(text)
    assert all(sentence == sentence.strip() != "" for sentence in sentences)
    assert without_spaces("".join(sentences)) == without_spaces(text)
    parts = [part for sentence in sentences for part in cut(sentence, lambda part: len(part) <= limit)]
    assert all(0 < len(part) <= limit for part in parts)
    assert without_spaces("".join(parts)) == without_spaces(text)


@pytest.mark.parametrize(
    "text",
    [
        "." * 400000 + "x",
        '."' * 200000,
        "a." * 200000,
        "." + '"' * 400000 + "x",
        "?!…" * 100000,
        " " * 400000,
        "。" * 400000,
        "a" * 400000 + ".",
        "." * 200000 + " " * 200000,
        ", " * 200000 + "x" * 100000,
    ],
    ids=lambda text: f"{text[:3]!r}-{text[-3:]!r}",
)
def test_no_text_takes_forever(text):
    """A split that tries every mark of a row anew needs hours for these."""
    assert without_spaces("".join(split_sentences(text))) == without_spaces(text)
    parts = cut(text, lambda part: len(part) <= 1000)
    assert all(len(part) <= 1000 for part in parts)


PLAIN_SENTENCE_END = regex.compile(r"""(?:[.!?…]+["'”’“»«)\]]*(?=\s)|[。！？]+[」』”]?)\s*""")


@given(text=st.one_of(texts, st.text(alphabet=".!?…\"' 。」x\n", max_size=30)))
def test_sentence_ends_are_those_of_the_plain_expression(text):
    """Without the precautions that make it fast."""
    assert [end.span() for end in SENTENCE_END.finditer(text)] == [
        end.span() for end in PLAIN_SENTENCE_END.finditer(text)
    ]


def test_a_cut_is_where_a_reader_would_pause():
    assert cut("one two three, four five six seven", lambda text: len(text) < 30) == [
        "one two three,",
        "four five six seven",
    ]
    assert cut("one two three four", lambda text: len(text) < 10) == ["one two", "three", "four"]
    assert cut("a" * 10, lambda text: len(text) <= 5) == ["a" * 5, "a" * 5]
    assert cut("ab", lambda text: False) == ["a", "b"]  # a single character is never cut, whatever its size
