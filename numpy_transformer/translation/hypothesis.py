"""What a translator returns for a text."""

from dataclasses import dataclass

from numpy_transformer.decoding.alignment import Alignment


@dataclass(frozen=True)
class Hypothesis:
    """One translation of a sentence."""

    text: str
    ids: list[int]  # without bos and eos
    log_probability: float  # of the ids and eos, natural logarithm
    score: float  # log_probability / length penalty: what the search ranks by
    alignment: Alignment = ()  # from the words of the text to those of the translation, where it was asked for
