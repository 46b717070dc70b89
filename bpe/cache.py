"""Remember the ids of words, so that encoding natural text is mostly look-ups."""

import re
from collections.abc import Callable, Iterator

BLOCK = 1 << 10
"""Characters that are encoded at a time."""

_LONGEST_CACHED = 64  # characters; bounds the memory of a cache together with its number of entries
_SINGLE_SPACE = re.compile(r"(?<=\S) (?=\S)")


class NotAWordError(Exception):
    """White space at an edge: the text cannot be cut at this space."""


def blocks(text: str) -> Iterator[str]:
    """Cut a long text at single spaces, so that odd white space in one block costs only that block."""
    start = 0
    while cut := _SINGLE_SPACE.search(text, start + BLOCK):
        yield text[start : cut.start()]
        start = cut.start()
    yield text[start:]


class Cache(dict[str, tuple[int, ...]]):
    """A dictionary that computes missing entries and empties itself when full.

    Emptying it completely is cheaper than tracking ages, and frequent words return at once.
    """

    def __init__(self, compute: Callable[[str], tuple[int, ...]], size: int) -> None:
        super().__init__()
        self._compute = compute
        self._size = size

    def __missing__(self, text: str) -> tuple[int, ...]:
        ids = self._compute(text)
        if len(text) <= _LONGEST_CACHED and self._size:
            if len(self) >= self._size:
                self.clear()
            self[text] = ids
        return ids
