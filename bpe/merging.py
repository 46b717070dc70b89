"""Apply learned merges to one pre-token: the inner loop of encoding.

Sennrich et al. 2016, section 3.2: take the pair of neighbours whose merge was learned first, join it
everywhere from left to right, repeat until no neighbours have a merge. Symbols are integers: 0 to 255 are the
bytes, 256 + k is what merge k makes. So the smallest symbol that any pair makes is the merge to do next.

`merge_short` is for the usual pre-token of a few bytes, `merge_long` does the same in linear time for one of a
million, and `merge_with_dropout` leaves out merges at random (Provilkov et al. 2020), so that a model in
training sees many segmentations of a word. The plain definition, with nothing done for speed, is in reference.py.
"""

import heapq
import math
from array import array
from collections.abc import Sequence
from itertools import pairwise, repeat
from random import Random

Symbols = list[int]
Table = dict[tuple[int, int], int]
"""From a pair of symbols to the symbol that it makes."""
Parts = Sequence[tuple[int, int]]
"""Parts[k] is the pair that symbol 256 + k is made of: the inverse of the table."""

SHORT = 96
"""`merge_short` handles up to this many bytes; `merge_long` is faster from about here."""

_NONE = -1  # no symbol: a cell that a merge emptied, and the cell past each end


def merge(data: bytes, table: Table, parts: Parts) -> Symbols:
    """Return the symbols that `data` becomes once every possible merge has been applied."""
    return merge_short(data, table, parts) if len(data) <= SHORT else merge_long(data, table, parts)


def merge_short(data: bytes, table: Table, parts: Parts) -> Symbols:
    """Keep beside the symbols what each pair of neighbours would make; join the smallest, leftmost first.

    The time is quadratic in the length, but everything that depends on it (min, index, del) runs at the speed of C.
    """
    symbols = list(data)
    get = table.get
    unmergeable = 256 + len(parts)
    makes = list(map(get, pairwise(symbols), repeat(unmergeable)))
    while makes and (made := min(makes)) != unmergeable:
        place = makes.index(made)
        symbols[place] = made
        del symbols[place + 1], makes[place]
        if place:
            makes[place - 1] = get((symbols[place - 1], made), unmergeable)
        if place < len(makes):
            makes[place] = get((made, symbols[place + 1]), unmergeable)
    return symbols


def merge_long(data: bytes, table: Table, parts: Parts) -> Symbols:
    """The same result in time linear in the length.

    The symbols of a pair are made by earlier merges than the one that joins them. So when a merge has its turn, all
    its places are known. One pass from left to right found them: that of the newer symbol. So each merge keeps a plain
    list of its places, and a heap holds each merge that has any, once. Symbols are in cells linked in both
    directions. If a place is out of date, its cells no longer hold the pair.
    """
    size = len(data)
    symbols = array("i", iter(data))
    symbols.append(_NONE)  # the cell past the end; also found at index -1, before the start
    following = array("i", range(1, size + 2))
    preceding = array("i", range(-1, size))

    places: dict[int, array[int]] = {}
    for position, pair in enumerate(pairwise(data)):
        made = table.get(pair)
        if made is not None:
            if made not in places:
                places[made] = array("i")
            places[made].append(position)

    waiting = list(places)
    heapq.heapify(waiting)
    while waiting:
        made = heapq.heappop(waiting)
        left, right = parts[made - 256]
        for position in places.pop(made):
            second = following[position]
            if symbols[position] != left or symbols[second] != right:
                continue
            before, after = preceding[position], following[second]
            symbols[position] = made
            symbols[second] = _NONE
            following[position] = after
            preceding[after] = position
            for pair, place in (
                ((symbols[before], made), before),
                ((made, symbols[after]), position),
            ):
                next_made = table.get(pair)
                if next_made is not None:
                    if next_made not in places:
                        places[next_made] = array("i")
                        heapq.heappush(waiting, next_made)
                    places[next_made].append(place)
    return [symbol for symbol in symbols if symbol != _NONE]


class Dropout:
    """Leaves out each of a sequence of merges with the same probability, independently.

    Instead of a number for each merge, it draws one for each merge that is left out: how many are kept before it.
    This number follows the geometric distribution. So a word from which nothing is left out costs one comparison.
    """

    def __init__(self, probability: float, random: Random) -> None:
        self._log_keep = -math.inf if probability == 1 else math.log1p(-probability)
        self._random = random
        self.kept = self._draw()
        """Draw how many merges are kept before the next one is left out."""

    def _draw(self) -> int:
        return int(min(math.log(1.0 - self._random.random()) / self._log_keep, 1e18))

    def leaves_out(self) -> bool:
        """Decide whether the next merge is left out."""
        if self.kept:
            self.kept -= 1
            return False
        self.kept = self._draw()
        return True


def merge_with_dropout(data: bytes, table: Table, parts: Parts, dropout: Dropout) -> Symbols:
    """BPE-dropout, algorithm 1 of Provilkov et al. 2020.

    Before each merge, every possible place is left out with the same probability. The first of the remaining places
    is merged; when none remains, the word is finished.

    The function decides in the order of the merges, and only up to the first place that it keeps, which gives the
    same distribution. Places that were left out come back for the next merge. If nothing is left out, it makes one
    decision per merge.
    """
    size = len(data)
    symbols = [*data, _NONE]
    following = list(range(1, size + 2))
    preceding = list(range(-1, size))
    waiting = [
        (made, position) for position, pair in enumerate(pairwise(data)) if (made := table.get(pair)) is not None
    ]
    heapq.heapify(waiting)
    left_out: list[tuple[int, int]] = []
    while waiting:
        made, position = candidate = heapq.heappop(waiting)
        left, right = parts[made - 256]
        second = following[position]
        if symbols[position] != left or symbols[second] != right:
            continue
        if dropout.leaves_out():
            left_out.append(candidate)
            continue
        before, after = preceding[position], following[second]
        symbols[position] = made
        symbols[second] = _NONE
        following[position] = after
        preceding[after] = position
        if (next_made := table.get((symbols[before], made))) is not None:
            heapq.heappush(waiting, (next_made, before))
        if (next_made := table.get((made, symbols[after]))) is not None:
            heapq.heappush(waiting, (next_made, position))
        for candidate in left_out:
            heapq.heappush(waiting, candidate)
        left_out.clear()
    return [symbol for symbol in symbols if symbol != _NONE]
