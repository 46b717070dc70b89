"""Word error rate: how many words a transcript gets wrong, for each word that was said.

    WER = (substituted + left out + put in) / words of the reference

The errors are those of the alignment that needs the fewest: the Levenshtein distance between the two word sequences.
Over a test set, errors and words are summed before they are divided. It can exceed 1.
"""

from collections.abc import Sequence
from typing import NamedTuple


class WordErrors(NamedTuple):
    """How well texts were transcribed."""

    errors: int
    words: int
    exact: float  # the fraction of texts without an error, 0 to 1

    @property
    def rate(self) -> float:
        """The word error rate."""
        return self.errors / max(1, self.words)


def edit_distance(hypothesis: Sequence[str], reference: Sequence[str]) -> int:
    """The fewest substitutions, deletions and insertions that make one sequence the other."""
    row = list(range(len(reference) + 1))  # of nothing to each beginning of the reference
    for i, word in enumerate(hypothesis, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(reference, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]


def word_errors(hypotheses: Sequence[str], references: Sequence[str]) -> WordErrors:
    """The transcripts of several sounds, against what was said."""
    pairs = [(h.split(), r.split()) for h, r in zip(hypotheses, references, strict=True)]
    distances = [edit_distance(hypothesis, reference) for hypothesis, reference in pairs]
    exact = sum(distance == 0 for distance in distances) / max(1, len(pairs))
    return WordErrors(sum(distances), sum(len(reference) for _, reference in pairs), exact)
