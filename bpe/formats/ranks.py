"""Merges from a list of tokens in the order learned: what tiktoken's files leave out."""

from collections.abc import Sequence

from ..errors import TokenizerError
from ..merging import merge


def recover_merges(tokens: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """Return the merge that made each token of two bytes or more, given in the order learned.

    When a token was learned, the earlier merges split its bytes into exactly the two parts that were then joined, so
    splitting it again gives those parts. tiktoken itself joins any two neighbours whose bytes together are a token,
    lowest rank first. That is the same: earlier merges left the neighbours as they are, and they always leave bytes
    that begin and end at the same places in the same two parts.

    Raises TokenizerError for a token that earlier ones do not split in two: no BPE learner made it.
    """
    parts: list[tuple[int, int]] = []
    table: dict[tuple[int, int], int] = {}
    for number, token in enumerate(tokens):
        symbols = merge(token, table, parts)
        if len(symbols) != 2:
            raise TokenizerError(
                f"token {number}, {token!r}, was not learned by BPE: "
                f"the tokens before it split it into {len(symbols)} parts, not 2"
            )
        pair = symbols[0], symbols[1]
        table[pair] = 256 + number
        parts.append(pair)
    spelled = [bytes([byte]) for byte in range(256)] + list(tokens)
    return [(spelled[left], spelled[right]) for left, right in parts]
