"""Apply learned merges to one pre-token: the inner loop of encoding.

Sennrich et al. 2016, section 3.2: take the pair of neighbours whose merge was learned first, join it
everywhere from left to right, repeat until no neighbours have a merge. Symbols are integers: 0 to 255 are the
bytes, 256 + k is what merge k makes. So the smallest symbol that any pair makes is the merge to do next.

Three functions give that result. `merge_short` is the definition, and the fastest for the usual pre-token of
a few bytes. `merge_long` does the same in linear time for one of a million. `merge_with_dropout` leaves out
merges at random (Provilkov et al. 2020), so that a model in training sees a word in many segmentations.
"""

import heapq
from array import array
from collections.abc import Sequence
from itertools import pairwise, repeat
from random import Random

Symbols = list[int]
Table = dict[tuple[int, int], int]
"""From a pair of symbols to the symbol that it makes."""
Parts = Sequence[tuple[int, int]]
"""Parts[k] is the pair that symbol 256 + k is made of: the inverse of the table."""

SHORT = 48
"""Up to this many bytes `merge_short` is used; about where `merge_long` begins to be faster."""

_NONE = -1  # no symbol: a cell that a merge emptied, and the cell past each end


def merge(data: bytes, table: Table, parts: Parts) -> Symbols:
    """Return the symbols that `data` becomes when every merge that can be applied has been."""
    return merge_short(data, table, parts) if len(data) <= SHORT else merge_long(data, table, parts)


def merge_short(data: bytes, table: Table, parts: Parts) -> Symbols:
    """The definition, word for word. Quadratic in the length."""
    symbols = list(data)
    unmergeable = 256 + len(parts)
    while len(symbols) > 1:
        made = min(map(table.get, pairwise(symbols), repeat(unmergeable)))
        if made == unmergeable:
            break
        left, right = parts[made - 256]
        position = 0
        last = len(symbols) - 1
        while position < last:
            if symbols[position] == left and symbols[position + 1] == right:
                symbols[position : position + 2] = (made,)
                last -= 1
            position += 1
    return symbols


def merge_long(data: bytes, table: Table, parts: Parts) -> Symbols:
    """The same result in time linear in the length.

    Every place where a merge applies is known when its turn comes: its pair holds a symbol at least as new
    as all others there, and both of its symbols were made by earlier merges. So each merge keeps a list of
    places, filled from left to right, and a heap holds only the merges that wait, each once. Symbols sit in
    cells linked in both directions. A place may be out of date: then its cells no longer hold the pair.
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


def merge_with_dropout(data: bytes, table: Table, parts: Parts, dropout: float, random: Random) -> Symbols:
    """BPE-dropout, algorithm 1 of Provilkov et al. 2020: before each merge, every place where one could be
    done is left out with probability `dropout`, independently; the first of the rest is done; when none is
    left the word is finished.

    The draws are made in the order of the merges and only up to the first place that is kept, which gives the
    same distribution. Places that were left out come back for the next merge.
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
        if random.random() < dropout:
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
