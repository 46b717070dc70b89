"""What a translator returns for a text."""

from dataclasses import dataclass

from numpy_transformer.decoding.alignment import Alignment


@dataclass(frozen=True)
class Hypothesis:
    """One translation of a sentence.

    text, ids: the translation, and its tokens without bos and eos.
    log_probability: of the ids and eos, a natural logarithm.
    score: log_probability / length penalty, which the search ranks by.
    alignment: pairs of word numbers, from the text to the translation, where it was asked for.
    """

    text: str
    ids: list[int]  # without bos and eos
    log_probability: float  # of the ids and eos, natural logarithm
    score: float  # log_probability / length penalty: what the search ranks by
    alignment: Alignment = ()  # from the words of the text to those of the translation, where it was asked for
