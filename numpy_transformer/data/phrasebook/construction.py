"""A construction: a named, explained way to make sentence pairs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from numpy_transformer.data.phrasebook.constituents import brackets_of, with_mark
from numpy_transformer.data.phrasebook.constituents import english as marked
from numpy_transformer.data.phrasebook.sampling import Draw


class Pair(NamedTuple):
    """A sentence and its translation."""

    source: str  # English; from a construction it is a constituents.English, with its tree
    target: str  # German


@dataclass(frozen=True)
class Construction:
    """One pattern of the synchronous grammar.

    `explanation` says which reordering or agreement it teaches, `weight` how often it is drawn.
    """

    name: str
    explanation: str
    example: Pair
    weight: float
    sample: Callable[[Draw], Pair]


def construction(
    name: str, weight: float, english: str, german: str
) -> Callable[[Callable[[Draw], Pair]], Construction]:
    """Turn a sampling function into a `Construction`; its docstring is the explanation."""

    def turn(sample: Callable[[Draw], Pair]) -> Construction:
        explanation = " ".join((sample.__doc__ or "").split())
        return Construction(name, explanation, Pair(english, german), weight, sample)

    return turn


def sentence(clause: tuple[str, str], mark: str = ".") -> Pair:
    """A clause as a sentence: a capital at the beginning, a punctuation mark at the end."""
    source, target = clause
    text = marked(source[0].upper() + source[1:] + mark, lambda: with_mark(brackets_of(source), mark))
    return Pair(text, target[0].upper() + target[1:] + mark)
