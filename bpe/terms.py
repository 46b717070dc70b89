"""Find strings that become one token: protected terms, and special tokens if the caller allows them."""

import re
from collections.abc import Iterable, Iterator


class TermFinder:
    """Cuts a text at every occurrence of the given terms: from left to right, the longest at each place."""

    def __init__(self, terms: Iterable[str] = ()) -> None:
        self.terms = frozenset(terms)
        self._pattern = re.compile(f"({_trie_pattern(self.terms)})") if self.terms else None

    def __bool__(self) -> bool:
        return bool(self.terms)

    def split(self, text: str) -> Iterator[tuple[str, bool]]:
        """Yield (part, is it a term?) for each part that is not empty; joined, the parts are the text."""
        parts = [text] if self._pattern is None else self._pattern.split(text)
        for number, part in enumerate(parts):
            if part:
                yield part, number % 2 == 1


def _trie_pattern(terms: Iterable[str]) -> str:
    """An expression for any of the terms, the longest first, without trying each in turn.

    Terms with the same beginning are grouped, recursively: "car", "cat" and "dog" give (?:ca(?:r|t)|dog).
    """
    groups: dict[str, list[str]] = {}
    for term in terms:
        groups.setdefault(term[:1], []).append(term)
    may_end = groups.pop("", None) is not None
    branches = []
    for _, group in sorted(groups.items()):
        first, last = min(group), max(group)  # all others begin as these two do
        length = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), len(first))
        branches.append(re.escape(first[:length]) + _trie_pattern(term[length:] for term in group))
    if may_end and branches:
        return f"(?:{'|'.join(branches)})?"  # greedy: a longer term wins
    return f"(?:{'|'.join(branches)})" if len(branches) > 1 else "".join(branches)
