"""The attention of a sentence and its translation together with their tokens, as people can read them."""

from collections.abc import Sequence
from typing import NamedTuple

from numpy_transformer.decoding.attention_weights import AttentionWeights


class AttentionMaps(NamedTuple):
    """The attention weights of a sentence and its translation, with the tokens' bytes."""

    source: list[bytes]  # S, eos included
    target: list[bytes]  # T, eos included
    weights: AttentionWeights


def token_label(token: bytes) -> str:
    """A token's bytes in readable form: spaces become visible, bytes that are not text appear in hex."""
    text = token.decode("utf-8", errors="backslashreplace").replace(" ", "\N{LOWER ONE EIGHTH BLOCK}")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def token_groups(tokens: Sequence[bytes]) -> list[int]:
    """For each token, eos the last of them, the number of the word or mark that it belongs to, from 0.

    A group is letters and digits in a row; a mark, eos, and anything that begins with a space start a new one.
    """
    groups, number = [], -1
    for i, token in enumerate(tokens):
        goes_on = 0 < i < len(tokens) - 1 and _in_word(tokens[i - 1][-1:]) and _in_word(token[:1])
        number += not goes_on
        groups.append(number)
    return groups


def _in_word(byte: bytes) -> bool:
    return byte.isalnum() or byte >= b"\x80"  # all letters beyond ASCII have bytes from 0x80 on
