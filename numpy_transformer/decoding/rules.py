"""Rules: small objects that forbid beam search some of the next tokens.

Each looks at the tokens of the hypotheses so far and marks what may not follow. They compose: what one of them forbids
stays forbidden. The probabilities of the tokens that remain are left as they are, so a score is always the model's own,
not that of a changed distribution.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.errors import InputError


class Hypotheses(NamedTuple):
    """The live hypotheses of b sentences, W each; host arrays."""

    sentence: Array  # (b,) which sentence of the search each is
    ids: Array  # (b, W, room); meaningless beyond length[b]
    length: Array  # (b,) tokens so far
    limits: Array  # (b,) most tokens before eos

    def paths(self) -> list[list[list[int]]]:
        """The tokens of each hypothesis of each sentence."""
        return [rows[:, :length].tolist() for rows, length in zip(self.ids, self.length.tolist(), strict=True)]


class Rule(Protocol):
    """Something that forbids tokens."""

    def forbid(self, hypotheses: Hypotheses, forbidden: Array) -> None:
        """Set `forbidden` (b, W, V) to True at the tokens that may not come next."""


class MinimumLength:
    """No eos before `minimum` tokens."""

    def __init__(self, minimum: int, eos_id: int) -> None:
        self._minimum, self._eos_id = minimum, eos_id

    def forbid(self, hypotheses: Hypotheses, forbidden: Array) -> None:
        forbidden[hypotheses.length < self._minimum, :, self._eos_id] = True


class NoRepeatedNgram:
    """No sequence of n tokens twice in one translation (Paulus et al. 2018, section 2.5)."""

    def __init__(self, n: int) -> None:
        self._n = n

    def forbid(self, hypotheses: Hypotheses, forbidden: Array) -> None:
        n = self._n
        for row, paths in enumerate(hypotheses.paths()):
            for column, ids in enumerate(paths):
                last = ids[len(ids) - n + 1 :]  # what an n-gram that ends with the next token begins with
                for start in range(len(ids) - n + 1):
                    if ids[start : start + n - 1] == last:
                        forbidden[row, column, ids[start + n - 1]] = True


class ForcedPrefix:
    """Every translation begins with these tokens."""

    def __init__(self, prefix: Sequence[int]) -> None:
        self._prefix = list(prefix)

    def forbid(self, hypotheses: Hypotheses, forbidden: Array) -> None:
        for row, length in enumerate(hypotheses.length.tolist()):
            if length < len(self._prefix):
                others = np.arange(forbidden.shape[2]) != self._prefix[length]
                forbidden[row, :, others] = True


class BannedText:
    """The bytes `banned` occur nowhere in a translation, however they are split into tokens.

    A token finishes the banned bytes if these end inside it: it holds them whole, or the hypothesis ends with the
    first i of them and the token begins with the rest.
    """

    def __init__(self, banned: bytes, vocabulary: Mapping[int, bytes]) -> None:
        if not banned:
            raise InputError("a banned term is empty: name at least one character")
        self._banned, self._vocabulary = banned, vocabulary
        self._whole = [token for token, text in vocabulary.items() if banned in text]
        self._rest = [
            [token for token, text in vocabulary.items() if text.startswith(banned[i:])] for i in range(len(banned))
        ]

    def forbid(self, hypotheses: Hypotheses, forbidden: Array) -> None:
        forbidden[:, :, self._whole] = True
        for row, paths in enumerate(hypotheses.paths()):
            for column, ids in enumerate(paths):
                tail = b"".join(self._vocabulary[token] for token in ids[-len(self._banned) :])
                for i in range(1, len(self._banned)):
                    if tail.endswith(self._banned[:i]):
                        forbidden[row, column, self._rest[i]] = True
