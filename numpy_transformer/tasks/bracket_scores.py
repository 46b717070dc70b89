"""How right trees are: labelled brackets, counted as EVALB counts them (Black et al. 1991; Sekine and Collins 1997).

A bracket is a label and the words that it spans, as (label, first word, one behind the last). Of a gold tree with g
brackets and a parsed one with p, m of which are the same,

    precision = m / p,    recall = m / g,    F1 = 2 m / (p + g),

the sums being over all sentences. The conventions are those of EVALB's parameter file COLLINS.prm:

- words that the gold tree tags as , : `` '' or . are left out of both trees, and brackets around only those, too;
- the bracket TOP does not count, nor do tags: they have an accuracy of their own, over the words that are left;
- ADVP and PRT count as the same label;
- a bracket that occurs twice must be found twice.

Exact match is the share of the sentences all of whose brackets are right, as EVALB counts; that asks nothing of the
tags. A tree is identical if its tags, and the brackets around punctuation, are right as well.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from numpy_transformer.data.trees import SyntaxTree

PUNCTUATION = frozenset({",", ":", "``", "''", "."})
UNCOUNTED = frozenset({"TOP", ""})
SAME = {"PRT": "ADVP"}

Bracket = tuple[str, int, int]


class BracketScores(NamedTuple):
    """What trees are worth against gold trees over the same words; all are fractions, 0 to 1."""

    precision: float
    recall: float
    f1: float
    exact: float
    identical: float
    tagging: float
    sentences: int

    def __str__(self) -> str:
        return (
            f"labelled F1 {self.f1:.2%} (precision {self.precision:.2%}, recall {self.recall:.2%}), exact brackets "
            f"{self.exact:.1%}, whole trees {self.identical:.1%}, tags {self.tagging:.2%}; {self.sentences:,} sentences"
        )


def counted_words(gold: SyntaxTree) -> list[bool]:
    """For each word of a gold tree, whether it counts."""
    return [tag not in PUNCTUATION for tag in gold.tags]


def brackets(tree: SyntaxTree, counted: Sequence[bool]) -> Counter[Bracket]:
    """The labelled brackets of a tree, where only the words `counted` are there."""
    found: Counter[Bracket] = Counter()
    place = iter(counted)

    def walk(node: SyntaxTree, start: int) -> int:
        """Count the brackets of a node that begins at word `start`; where the next word begins."""
        if node.word is not None:
            return start + next(place)
        end = start
        for child in node.children:
            end = walk(child, end)
        if end > start and node.label not in UNCOUNTED:
            found[SAME.get(node.label, node.label), start, end] += 1
        return end

    walk(tree, 0)
    return found


def bracket_scores(gold: Sequence[SyntaxTree], parsed: Sequence[SyntaxTree]) -> BracketScores:
    """Score the parsed trees. Raises ValueError if a tree is not over the words of its gold tree."""
    matched = expected = given = exact = identical = right_tags = tags = 0
    for reference, tree in zip(gold, parsed, strict=True):
        if reference.words != tree.words:
            raise ValueError(f"trees over different words: {reference} and {tree}")
        counted = counted_words(reference)
        wanted, found = brackets(reference, counted), brackets(tree, counted)
        matched += (wanted & found).total()
        expected, given = expected + wanted.total(), given + found.total()
        exact += wanted == found
        identical += reference == tree
        tags += sum(counted)
        pairs = zip(reference.tags, tree.tags, counted, strict=True)
        right_tags += sum(tag == guess for tag, guess, counts in pairs if counts)
    return BracketScores(
        precision=matched / max(1, given),
        recall=matched / max(1, expected),
        f1=2 * matched / max(1, given + expected),
        exact=exact / max(1, len(gold)),
        identical=identical / max(1, len(gold)),
        tagging=right_tags / max(1, tags),
        sentences=len(gold),
    )
