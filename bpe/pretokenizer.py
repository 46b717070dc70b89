"""Split text into pre-tokens, and spell bytes so that a person can read them.

Merges never cross the border of a pre-token, so " dog" may become one token but "dog. A" never does. One regular
expression defines the pieces; this file holds the well-known expressions. The text never changes: the pre-tokens,
joined, give it back, including whatever the expression leaves unmatched.

>>> PreTokenizer().split("Two dogs don't run.")
['Two', ' dogs', ' don', "'t", ' run', '.']

A pre-token is then a sequence of bytes (UTF-8), and every byte is a token. No text is ever unknown.

>>> spell(text_to_bytes(" Tür"))
'ĠTÃ¼r'
"""

import re
from functools import cache, cached_property
from typing import Any

from .checks import check_is_unicode
from .errors import TokenizerError

#: Radford et al. 2019 (GPT-2): contractions; letters, digits or symbols, each with one space before; spaces.
GPT2_PATTERN = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

#: GPT-4 (cl100k_base of tiktoken): digits in threes at most, contractions in any case, line ends apart.
CL100K_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

#: Patterns that a command line can name.
NAMED_PATTERNS = {"gpt2": GPT2_PATTERN, "cl100k": CL100K_PATTERN}

# What allows short cuts with a pattern. For both patterns above:
# 1. every character is matched, so findall() alone is lossless;
# 2. a pre-token always starts at a single space between two characters that are not white space. No alternative
#    steps from a non-space onto a space, none looks behind itself, and the only look-ahead, at the end of white
#    space, sees no further than the next character.
# Because of 2, a text may be cut at such spaces first and its words looked up whole (see tokenizer.py).
_WELL_KNOWN = frozenset(NAMED_PATTERNS.values())

_PROBE = "aA zß 你好 12.\t-\n\n  x's\r\n😀"


class PreTokenizer:
    """Splits text by a `regex` pattern without losing a character.

    Raises TokenizerError if the pattern does not compile or matches an empty string.
    """

    def __init__(self, pattern: str = GPT2_PATTERN) -> None:
        self.pattern = pattern
        self.cuts_at_single_spaces = pattern in _WELL_KNOWN
        if self.cuts_at_single_spaces:
            return  # compiled at first use
        if not isinstance(pattern, str):
            raise TokenizerError(f"the split pattern must be a str, not {type(pattern).__name__}")
        check_is_unicode(pattern)
        if any(match.end() == match.start() for probe in ("", _PROBE) for match in self._compiled.finditer(probe)):
            raise TokenizerError(
                f"the split pattern {pattern!r} matches an empty string; every pre-token needs a character"
            )

    @cached_property
    def _compiled(self) -> Any:
        import regex  # loaded at first use: a program that only decodes starts 20 ms sooner

        try:
            return regex.compile(self.pattern)
        except regex.error as error:
            raise TokenizerError(f"the split pattern {self.pattern!r} does not compile: {error}") from None

    def split(self, text: str) -> list[str]:
        """Return the pre-tokens of `text` in order; joined they are `text`."""
        if self.cuts_at_single_spaces:
            return self._compiled.findall(text)
        pieces = []
        position = 0
        for match in self._compiled.finditer(text):
            start, end = match.span()
            if position < start:
                pieces.append(text[position:start])  # what the pattern skips is a pre-token too
            if start < end:
                pieces.append(text[start:end])
            position = end
        if position < len(text):
            pieces.append(text[position:])
        return pieces


def text_to_bytes(text: str) -> bytes:
    """UTF-8, with a lone surrogate as the three bytes that its number would give (WTF-8).

    A `str` may hold half of a surrogate pair, which UTF-8 forbids. It is kept so that every `str` comes back.
    """
    return text.encode("utf-8", "surrogatepass")


# ED A0..BF xx would be a surrogate. ED is never a continuation byte, so a match never starts inside another
# character.
_SURROGATE = re.compile(rb"(\xed[\xa0-\xbf][\x80-\xbf])")


def bytes_to_text(data: bytes) -> str:
    """The inverse of text_to_bytes; bytes that do not form a character become U+FFFD, as in errors="replace"."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        # Odd items are the separators: the surrogates.
        return "".join(
            part.decode("utf-8", "surrogatepass" if item % 2 else "replace")
            for item, part in enumerate(_SURROGATE.split(data))
        )


@cache
def byte_alphabet() -> str:
    """256 visible characters, one for each byte: GPT-2's alphabet.

    A byte that is printable in Latin-1 stands for itself; the other 68, in order, are U+0100 onwards. So a
    space is "Ġ" and a line feed "Ċ", and no spelling ever holds white space.
    """
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = iter(range(256, 512))
    return "".join(chr(byte if byte in printable else next(others)) for byte in range(256))


@cache
def _unspelling() -> dict[int, int]:
    return {ord(character): byte for byte, character in enumerate(byte_alphabet())}


def spell(data: bytes) -> str:
    """Write bytes in the byte alphabet, one character for each."""
    return data.decode("latin-1").translate(byte_alphabet())


def unspell(spelling: str) -> bytes:
    """The inverse of spell. Raises TokenizerError at a character outside the byte alphabet."""
    table = _unspelling()
    try:
        return bytes([table[ord(character)] for character in spelling])
    except KeyError as error:
        raise TokenizerError(
            f"{spelling!r} does not spell bytes: {chr(error.args[0])!r} is not in the byte alphabet"
        ) from None
