"""BPE as the paper states it, with nothing done for speed. training.py and merging.py must give the same results.

Read this first if the fast versions look strange. Tests and proofs compare the two.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

Pair = tuple[bytes, bytes]


def join_pair(word: Sequence[bytes], pair: Pair) -> list[bytes]:
    """Return `word` with every occurrence of `pair` joined, from left to right."""
    joined: list[bytes] = []
    position = 0
    while position < len(word):
        if tuple(word[position : position + 2]) == pair:
            joined.append(pair[0] + pair[1])
            position += 2
        else:
            joined.append(word[position])
            position += 1
    return joined


def learn_merges(counts: Mapping[bytes, int], number: int, minimum_frequency: int = 2) -> list[Pair]:
    """Count every pair of neighbours, join the most frequent (in a tie, the smaller), and repeat."""
    words = {pretoken: [bytes([byte]) for byte in pretoken] for pretoken in counts}
    merges: list[Pair] = []
    while len(merges) < number:
        totals: Counter[Pair] = Counter()
        for pretoken, word in words.items():
            for pair in pairwise(word):
                totals[pair] += counts[pretoken]
        best = min(totals, key=lambda pair: (-totals[pair], pair), default=None)
        if best is None or totals[best] < minimum_frequency:
            break
        merges.append(best)
        words = {pretoken: join_pair(word, best) for pretoken, word in words.items()}
    return merges


def apply_merges(pretoken: bytes, ranks: Mapping[Pair, int]) -> list[bytes]:
    """Join the pair that was learned first, everywhere, and repeat. ranks: from a pair to its place in that order."""
    word = [bytes([byte]) for byte in pretoken]
    while found := [pair for pair in pairwise(word) if pair in ranks]:
        word = join_pair(word, min(found, key=ranks.__getitem__))
    return word
