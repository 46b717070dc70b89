"""Find strings that become one token: protected terms, and special tokens if the caller allows them."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

#: What an imported vocabulary may ask of a term; the names are those of Hugging Face.
#: lstrip, rstrip: the term takes the white space before or after it along.
#: single_word: it is found only where no letter, digit or underscore touches it.
TERM_OPTIONS = ("lstrip", "rstrip", "single_word")


class TermFinder:
    """Cuts a text at every occurrence of the given terms: from left to right, the longest at each place."""

    def __init__(self, terms: Iterable[str] = (), options: Mapping[str, Collection[str]] | None = None) -> None:
        self.terms = frozenset(terms)
        self._options = {term: options[term] for term in self.terms if term in options} if options else {}
        self._pattern = re.compile(f"({_trie_pattern(self.terms)})") if self.terms else None

    def __bool__(self) -> bool:
        return bool(self.terms)

    def split(self, text: str) -> Iterator[tuple[str, str | None]]:
        """Yield (part, the term that it is or None) for each part that is not empty; joined, the parts are the text."""
        if self._options:
            yield from self._split_with_options(text)
            return
        parts = [text] if self._pattern is None else self._pattern.split(text)
        for number, part in enumerate(parts):
            if part:
                yield part, part if number % 2 == 1 else None

    def _split_with_options(self, text: str) -> Iterator[tuple[str, str | None]]:
        done = 0
        for match in self._pattern.finditer(text) if self._pattern else ():
            term, start, end = match[0], match.start(), match.end()
            options = self._options.get(term, ())
            if "single_word" in options and (_is_word(text, start - 1) or _is_word(text, end)):
                continue
            if "lstrip" in options:
                while start > done and text[start - 1] in WHITE_SPACE:
                    start -= 1
            if "rstrip" in options:
                while end < len(text) and text[end] in WHITE_SPACE:
                    end += 1
            if done < start:
                yield text[done:start], None
            yield text[max(done, start) : end], term
            done = end
        if done < len(text):
            yield text[done:], None


#: Unicode's White_Space. (Python's isspace adds four control characters.)
WHITE_SPACE = frozenset("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000").union(
    map(chr, range(0x2000, 0x200B))
)


def _is_word(text: str, place: int) -> bool:
    """Whether a letter, mark, digit, connector or joiner stands there; nothing stands outside the text."""
    return 0 <= place < len(text) and _word_pattern().match(text, place) is not None


@cache
def _word_pattern() -> Any:
    import regex  # loaded at first use

    return regex.compile(r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]")


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
