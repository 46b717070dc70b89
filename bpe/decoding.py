"""Turn bytes into characters, although tokens and characters do not begin and end at the same places."""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from .pretokenizer import bytes_to_text, text_to_bytes


class IncrementalDecoder:
    """Turns ids into text one at a time, for streamed output.

    The returned strings, joined, equal what `Tokenizer.decode` returns for all ids at once. A character whose
    bytes are spread over several tokens is returned with the last of them.
    """

    def __init__(self, bytes_of: Callable[[int], bytes]) -> None:
        self._bytes_of = bytes_of
        self._held = b""

    def push(self, token_id: int) -> str:
        """Take one id; return the text that is now certain (may be empty). Raises TokenizerError as decode does."""
        data = self._held + self._bytes_of(token_id)
        whole = len(data) - _unfinished_length(data)
        self._held = data[whole:]
        return bytes_to_text(data[:whole])

    def finish(self) -> str:
        """Return the rest: bytes that never became a character, as U+FFFD. The decoder is then reset."""
        held, self._held = self._held, b""
        return bytes_to_text(held)


def _unfinished_length(data: bytes) -> int:
    """Return how many bytes at the end may belong to a character that is not complete yet (0 to 3)."""
    for length in range(1, min(3, len(data)) + 1):
        byte = data[-length]
        if byte >= 0xC0:  # the first byte of a character of 2, 3 or 4
            return length if length < 2 + (byte >= 0xE0) + (byte >= 0xF0) else 0
        if byte < 0x80:
            break
    return 0


def character_spans(text: str, token_lengths: Iterable[int], start: int) -> Iterator[tuple[int, int]]:
    """Yield the span of characters that each token of `text` touches, shifted by `start`.

    token_lengths: the number of bytes of each token; their sum is that of the text.
    """
    ends = list(accumulate(token_lengths))
    begins = [0, *ends[:-1]]
    if text.isascii():
        for begin, end in zip(begins, ends, strict=True):
            yield start + begin, start + end
        return
    # character_of[i] is the character that byte i belongs to.
    character_of = [position for position, character in enumerate(text) for _ in range(len(text_to_bytes(character)))]
    for begin, end in zip(begins, ends, strict=True):
        yield start + character_of[begin], start + character_of[end - 1] + 1
