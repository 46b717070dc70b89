"""The attention of a sentence and its translation together with their tokens, as people can read them."""

import codecs
from collections.abc import Sequence
from typing import NamedTuple

import regex

from numpy_transformer.backend.arrays import Array
from numpy_transformer.decoding.attention_weights import AttentionWeights


class AttentionMaps(NamedTuple):
    """The attention weights of a sentence and its translation, with the tokens' bytes."""

    source: list[bytes]  # S, eos included
    target: list[bytes]  # T, eos included
    weights: AttentionWeights

    def __repr__(self) -> str:
        return f"<AttentionMaps of {len(self.source)} source and {len(self.target)} target tokens>"


class StackMaps(NamedTuple):
    """The attention weights of one text in a model of one stack, with the tokens' bytes."""

    tokens: list[bytes]  # T
    weights: Array  # (L, H, T, T), a host array; each row is what one position looks at and sums to 1
    looks_back: bool  # a decoder's position predicts the next token, an encoder's stands for its own

    def __repr__(self) -> str:
        return f"<StackMaps of {len(self.tokens)} tokens>"


def token_texts(tokens: Sequence[bytes]) -> list[str]:
    """The text that each token ends: together, the text of all of them.

    A character that is cut into several tokens belongs to the last of them; the others have no text of their own.
    """
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    return [decode(token, final=number == len(tokens)) for number, token in enumerate(tokens, 1)]


def token_groups(tokens: Sequence[bytes]) -> list[int]:
    """For each token, eos the last of them, the number of the word or mark that it belongs to, from 0.

    A group is letters and digits in a row; a mark, eos, and anything that begins with a space start a new one. In a
    script without spaces between words, every token that begins with a whole character starts one, too.
    """
    groups, number, rest = [], -1, b"".join(tokens)
    for i, token in enumerate(tokens):
        goes_on = 0 < i < len(tokens) - 1 and _in_word(tokens[i - 1][-1:]) and _in_word(token[:1])
        number += not goes_on or _UNSPACED.match(_first_character(rest)) is not None
        groups.append(number)
        rest = rest[len(token) :]
    return groups


_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")


def _first_character(text: bytes) -> str:
    """The character that these bytes begin with; a byte from the middle of one gives U+FFFD."""
    return text[:4].decode("utf-8", "replace")[:1]


def _in_word(byte: bytes) -> bool:
    return byte.isalnum() or byte >= b"\x80"  # all letters beyond ASCII have bytes from 0x80 on
