"""What tokens write. Demands on a translation are about its text, however that is cut into tokens."""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence

from numpy_transformer.errors import InputError


class TokenTexts:
    """The bytes that each token adds to a translation. Special tokens add none: they are left out of its text."""

    def __init__(self, vocabulary: Mapping[int, bytes], *, special: Collection[int] = ()) -> None:
        self.bytes_of = {token: b"" if token in special else text for token, text in vocabulary.items()}
        self._sorted = sorted((text, token) for token, text in self.bytes_of.items() if text)
        self._tokens_of: dict[bytes, list[int]] = {}
        for text, token in self._sorted:
            self._tokens_of.setdefault(text, []).append(token)

    def written(self, ids: Sequence[int]) -> bytes:
        """The text of the tokens in a row."""
        return b"".join([self.bytes_of[token] for token in ids])

    def holding(self, part: bytes) -> list[int]:
        """The tokens that `part` occurs in."""
        return [token for token, text in self.bytes_of.items() if part in text]

    def ending_with(self, end: bytes) -> list[int]:
        """The tokens whose text ends with `end`."""
        return [token for token, text in self.bytes_of.items() if text.endswith(end)]

    def that_begin(self, text: bytes) -> list[int]:
        """The tokens that are a part of `text`, at its beginning."""
        return [token for n in range(1, len(text)) for token in self._tokens_of.get(text[:n], ())]

    def beginning_with(self, start: bytes) -> list[int]:
        """The tokens whose text begins with `start`."""
        found = []
        for number in range(bisect_left(self._sorted, (start,)), len(self._sorted)):
            text, token = self._sorted[number]
            if not text.startswith(start):
                break
            found.append(token)
        return found


class Completion:
    """The tokens with which a translation comes to hold a text, which it did not hold before.

    Such a token holds the text whole; or the translation so far ends with its first i bytes, and the token begins with
    the rest. What must not occur and what must occur are both decided by this. Raises InputError for an empty text.
    """

    def __init__(self, text: bytes, tokens: TokenTexts) -> None:
        if not text:
            raise InputError("a banned or required term is empty: name at least one character")
        self._text = text
        self.whole = tokens.holding(text)
        self._rest = [tokens.beginning_with(text[i:]) for i in range(len(text))]

    def after(self, written: bytes) -> list[int]:
        """Those that complete the text only because of what is written before them."""
        return [
            token
            for i in range(1, len(self._text))
            if self._rest[i] and written.endswith(self._text[:i])
            for token in self._rest[i]
        ]
