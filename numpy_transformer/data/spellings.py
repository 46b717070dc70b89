"""One sentence, spelt as people type it: with a small first letter, without its final mark, in small letters, shouted.

A model trained on careful sentences only has never seen a small letter at the beginning, so to it "the dog sleeps" is
another language. A text whose sources vary teaches it that the translation stays the same.
"""

import random
from collections import Counter
from collections.abc import Callable, Container, Sequence

FINAL_MARKS = ".!?…。！？"

Spelling = Callable[[str], str]


def as_it_is(text: str) -> str:
    """The dog sleeps."""
    return text


def small_first(text: str) -> str:
    """the dog sleeps."""
    return text[:1].lower() + text[1:]


def without_mark(text: str) -> str:
    """The dog sleeps

    A text of nothing but marks stays as it is.
    """
    return text.rstrip(FINAL_MARKS).rstrip() or text


def small_without_mark(text: str) -> str:
    """the dog sleeps"""
    return without_mark(small_first(text))


def all_small(text: str) -> str:
    """the dog sees anna"""
    return without_mark(text.lower())


def shouted(text: str) -> str:
    """THE DOG SLEEPS."""
    return text.upper()


# One in four sentences that stand in a text once is spelt otherwise, most of them with a small letter or no mark.
VARIETY: tuple[Spelling, ...] = (
    *(small_first, small_first, without_mark, without_mark, small_without_mark, small_without_mark),
    *(all_small, shouted),
)
SHARE = 0.25
# A sentence that stands there often is learned whole, and goes through its spellings in turn.
TURNS: tuple[Spelling, ...] = (
    *(as_it_is, small_first, as_it_is, small_without_mark, as_it_is, without_mark, small_first, shouted),
)


def respelt(text: str, spelling: Spelling, others: Container[str]) -> str:
    """`text` in a spelling, but with its final mark if it would be one of the `others` without it.

    A phrasebook that translates "Hello" and "Hello!" means two sentences by them.
    """
    bare = without_mark(text)
    spelt = spelling(text)
    mark = text[len(bare) :]
    return spelt + mark if bare != text and bare in others and not spelt.endswith(mark) else spelt


def as_typed(sentences: Sequence[str], seed: int) -> list[str]:
    """The sentences in spellings that vary, determined by `seed`.

    One in four sentences that stand there once is spelt otherwise. A repeated one goes through its spellings in turn.
    """
    counts = Counter(sentences)
    draw = random.Random(seed)
    turns: dict[str, int] = {}
    typed = []
    for sentence in sentences:
        if counts[sentence] == 1:
            spelling = draw.choice(VARIETY) if draw.random() < SHARE else as_it_is
        else:
            turns[sentence] = turns.get(sentence, draw.randrange(len(TURNS))) + 1
            spelling = TURNS[turns[sentence] % len(TURNS)]
        typed.append(respelt(sentence, spelling, counts))
    return typed
