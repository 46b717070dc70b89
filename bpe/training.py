"""Learn merges from text: Sennrich et al. 2016, algorithm 1, with incremental counts.

The idea, in their own example. A corpus has the words low (5 times), lower (2), newest (6), widest (3). Every
byte is a symbol at first. Count all pairs of neighbours: e s and s t both occur 9 times (6 + 3), more than
any other. Join the most frequent pair, everywhere, and repeat. In a tie the pair with the smaller bytes goes
first, so the result never depends on the order of a dictionary.

>>> corpus = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3
>>> tokenizer = train(corpus, vocabulary_size=256 + 10, special_tokens=())
>>> for left, right in tokenizer.merges:
...     print(left.decode(), right.decode(), sep=" + ")
e + s
es + t
l + o
lo + w
e + w
ew + est
n + ewest
d + est
i + dest
w + idest
>>> [tokenizer.decode([token]) for token in tokenizer.encode("lowest")]
['low', 'est']

The corpus does not contain "lowest", and yet it splits into two meaningful parts.

Recounting everything for each merge takes hours on a real corpus. Two facts make it fast:

1. A merge changes counts only next to the places where it is applied. So the corpus is laid out once, as cells
   linked in both directions, and each pair keeps a list of its places.
2. Once a symbol exists, no merge ever creates more of it. So all places of a pair appear in one step, that of
   the newer of its two symbols, in order from left to right. After that its count can only fall. So the heap of
   candidates can be out of date in one direction only: when an entry comes up whose count has fallen, it is put
   back with the right count.
"""

import heapq
import warnings
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from .counting import Progress, count_pretokens
from .errors import TokenizerError
from .pretokenizer import GPT2_PATTERN
from .tokenizer import DEFAULT_SPECIAL_TOKENS, Tokenizer

_no_places = partial(array, "i")
_NONE = -1  # no symbol: the cell between two pre-tokens, and a cell that a merge emptied


def train(
    texts: Iterable[str],
    vocabulary_size: int,
    *,
    pattern: str = GPT2_PATTERN,
    special_tokens: Sequence[str] = DEFAULT_SPECIAL_TOKENS,
    protected_terms: Sequence[str] = (),
    minimum_frequency: int = 2,
    processes: int = 1,
    most_pretokens: int | None = None,
    progress: Progress | None = None,
) -> Tokenizer:
    """Learn a tokenizer of `vocabulary_size` tokens: special tokens, 256 bytes, merges, protected terms.

    `texts` is read once, as a stream; memory grows with the number of distinct pre-tokens, up to `most_pretokens`:
    beyond them the rarest are dropped (counting.py). A pair that occurs fewer than `minimum_frequency` times is not
    merged; if pairs run out the vocabulary stays smaller, with a warning. `processes` > 1 counts in that many
    processes, which pays off from tens of megabytes on idle cores; the calling script then needs the usual
    `if __name__ == "__main__"`. It does not affect the result, unless pre-tokens are dropped.

    Raises TokenizerError for a vocabulary smaller than its bytes, special tokens and terms, a bad pattern,
    numbers below 1, or a `texts` that is not an iterable of str.
    """
    untrained = Tokenizer([], pattern=pattern, special_tokens=special_tokens, protected_terms=protected_terms)
    fixed = len(untrained)
    if vocabulary_size < fixed:
        raise TokenizerError(
            f"a vocabulary of {vocabulary_size} is too small: {len(untrained.special_tokens)} special tokens, "
            f"256 bytes and {len(untrained.protected_terms)} protected terms already need {fixed}"
        )
    if minimum_frequency < 1:
        raise TokenizerError(f"minimum_frequency must be at least 1, not {minimum_frequency}")
    if processes < 1:
        raise TokenizerError(f"processes must be at least 1, not {processes}")
    if most_pretokens is not None and most_pretokens < 1:
        raise TokenizerError(f"most_pretokens must be at least 1, not {most_pretokens}")
    counts = count_pretokens(
        texts,
        untrained.pattern,
        untrained.protected_terms,
        processes=processes,
        most_pretokens=most_pretokens,
        progress=progress,
    )
    merges = learn_merges(counts, vocabulary_size - fixed, minimum_frequency=minimum_frequency, progress=progress)
    if len(merges) < vocabulary_size - fixed:
        warnings.warn(
            f"the vocabulary stops at {fixed + len(merges):,} of {vocabulary_size:,} tokens: "
            f"no pair is left that occurs {minimum_frequency} times",
            stacklevel=2,
        )
    return Tokenizer(merges, pattern=pattern, special_tokens=special_tokens, protected_terms=protected_terms)


def learn_merges(
    counts: Mapping[bytes, int],
    number: int,
    *,
    minimum_frequency: int = 2,
    tie_key: Callable[[int, bytes], Any] = lambda symbol, token: token,
    progress: Progress | None = None,
) -> list[tuple[bytes, bytes]]:
    """Return up to `number` merges, in the order learned, of the pre-tokens and counts given.

    The result equals that of recounting every pair before every merge. In a tie, the pair with the smaller
    (tie_key of the left, tie_key of the right) goes first. The key is made from a symbol's number (byte, or
    256 + number of its merge) and its bytes; by default it is those bytes.
    """
    tokens = [bytes([byte]) for byte in range(256)]
    keys = [tie_key(symbol, token) for symbol, token in enumerate(tokens)]

    # Arrays of machine numbers take a fifth of the memory of lists: a large corpus has tens of millions of cells.
    symbols = array("i", [_NONE])
    weights = array("q", [0])
    for pretoken, count in counts.items():
        symbols.extend(pretoken)
        symbols.append(_NONE)
        weights.extend([count] * (len(pretoken) + 1))
    following = array("i", range(1, len(symbols) + 1))
    preceding = array("i", range(-1, len(symbols) - 1))

    def weigh(where: Sequence[int]) -> int:
        return sum(map(weights.__getitem__, where))

    places: dict[tuple[int, int], array[int]] = defaultdict(_no_places)
    for place, pair in enumerate(pairwise(symbols)):
        places[pair].append(place)
    totals = {
        pair: total
        for pair, where in places.items()
        if _NONE not in pair and (total := weigh(where)) >= minimum_frequency
    }
    places = {pair: places[pair] for pair in totals}
    candidates = [(-total, keys[pair[0]], keys[pair[1]], pair) for pair, total in totals.items()]
    heapq.heapify(candidates)

    merges: list[tuple[bytes, bytes]] = []
    while candidates and len(merges) < number:
        negative_total, _, _, pair = heapq.heappop(candidates)
        left, right = pair
        total = totals.get(pair, 0)
        if total != -negative_total:
            if total:
                heapq.heappush(candidates, (-total, keys[left], keys[right], pair))
            continue

        made = len(tokens)
        tokens.append(tokens[left] + tokens[right])
        keys.append(tie_key(made, tokens[made]))
        merges.append((tokens[left], tokens[right]))
        del totals[pair]

        # The places that now have the new symbol on their right, and on their left, by the other symbol.
        befores: dict[int, array[int]] = defaultdict(_no_places)
        afters: dict[int, array[int]] = defaultdict(_no_places)
        for place in places.pop(pair):
            second = following[place]
            if symbols[place] != left or symbols[second] != right:
                continue  # another merge, or an overlapping one of this pair (as in "aaa"), was here first
            before, after = preceding[place], following[second]
            symbols[place] = made
            symbols[second] = _NONE
            following[place] = after
            preceding[after] = place
            if symbols[before] != _NONE:
                befores[symbols[before]].append(before)
            if symbols[after] != _NONE:
                afters[symbols[after]].append(place)

        # Each (x, left) became (x, made), and each (right, y) became (made, y). In "abab" the second place
        # finds `made` before it: the pair (made, left), counted a moment ago, is gone again.
        born: dict[tuple[int, int], array[int]] = {}
        lost: list[tuple[tuple[int, int], int]] = []
        for symbol, where in befores.items():
            weight = weigh(where)
            born[symbol, made] = where
            totals[symbol, made] = weight
            lost.append(((symbol, left), weight))
        for symbol, where in afters.items():
            weight = weigh(where)
            born[made, symbol] = where
            totals[made, symbol] = weight
            lost.append(((right, symbol), weight))
        for old, weight in lost:
            if old in totals:
                totals[old] -= weight
                if totals[old] < minimum_frequency:
                    del totals[old]
                    places.pop(old, None)
        for pair, where in born.items():
            total = totals.get(pair, 0)
            if total >= minimum_frequency:
                places[pair] = where
                heapq.heappush(candidates, (-total, keys[pair[0]], keys[pair[1]], pair))
            elif total:
                del totals[pair]
        if progress is not None and len(merges) % 64 == 0:
            progress("learning merges", len(merges), number)
    return merges
