"""Tell on standard error which words a model has never seen: what it makes of them is a guess."""

import sys

from numpy_transformer.data.known_words import KnownWords, word_key

MOST_NAMED = 5
MOST_KEPT = 10_000  # so that memory stays the same however long the text is


class UnseenWords:
    """Collects the words of some lines that are not among those that a model knows; none if no file tells these."""

    def __init__(self, known: KnownWords | None) -> None:
        self._known = known
        self._introduced = False
        self._forget()

    def introduce(self) -> None:
        """Print how much the model knows, once."""
        if self._known is not None and not self._introduced:
            print(f"the model knows {self._known}", file=sys.stderr)
        self._introduced = True

    def add(self, line: str) -> None:
        """One more line of the text."""
        if self._known is None:
            return
        words = [line[start:end] for start, end in self._known.unknown(line)]
        self._lines += 1
        self._lines_with_some += bool(words)
        for word in words:
            if len(self._words) < MOST_KEPT:
                self._words.setdefault(word_key(word), word)

    def tell(self) -> None:
        """Print a line about the words that were collected, if there are any, and begin anew."""
        if self._words:
            print(self._note(), file=sys.stderr)
        self._forget()

    def _forget(self) -> None:
        self._words: dict[str, str] = {}  # by their keys, as they were written first, in that order
        self._lines = self._lines_with_some = 0

    def _note(self) -> str:
        left, right = "\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
        words = [f"{left}{word}{right}" for word in self._words.values()]
        others, over = len(words) - MOST_NAMED, "over " if len(words) == MOST_KEPT else ""
        more = f" and {over}{others:,} more {'word' if others == 1 else 'words'}" if others > 0 else ""
        where = f", in {self._lines_with_some:,} of {self._lines:,} lines" if self._lines > 1 else ""
        size = "" if self._introduced else f" (the model knows {self._known})"
        return f"never seen in training: {', '.join(words[:MOST_NAMED])}{more}{where}{size}"
