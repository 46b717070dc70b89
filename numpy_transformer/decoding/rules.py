"""Rules: small objects that forbid beam search some of the next tokens.

Each looks at the tokens of the hypotheses so far and marks what may not follow. They compose: what one of them forbids
stays forbidden. The probabilities of the tokens that remain are left as they are, so a score is always the model's own,
not that of a changed distribution.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.decoding.token_texts import Completion, TokenTexts
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


class Pooled(NamedTuple):
    """Tokens that share their probability in part.

    The log-probability of each becomes (1 - share) log p(token) + share log p(any of them). A rule that allows only one
    of them does not ask which of them is next; with a share of 1 it only matters whether one of them is.
    """

    tokens: Array  # ids
    share: float  # 0 to 1


class Rule(Protocol):
    """Something that a translation must fulfil; it forbids the tokens that would break it."""

    def holds(self, ids: Sequence[int]) -> bool:
        """Whether a whole translation fulfils it: tokens without bos and eos."""

    def forbid(self, hypotheses: Hypotheses, forbidden: Array) -> None:
        """Set `forbidden` (b, W, V) to True at the tokens that may not come next."""


class MinimumLength:
    """No eos before `minimum` tokens."""

    def __init__(self, minimum: int, eos_id: int) -> None:
        self._minimum, self._eos_id = minimum, eos_id

    def forbid(self, hypotheses: Hypotheses, forbidden: Array) -> None:
        forbidden[hypotheses.length < self._minimum, :, self._eos_id] = True

    def holds(self, ids: Sequence[int]) -> bool:
        return len(ids) >= self._minimum


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

    def holds(self, ids: Sequence[int]) -> bool:
        ngrams = [tuple(ids[start : start + self._n]) for start in range(len(ids) - self._n + 1)]
        return len(set(ngrams)) == len(ngrams)


class ForcedPrefix:
    """Every translation begins with these bytes, whatever tokens write them.

    White space at the end of `prefix` asks for white space, or for the end of the translation; white space at its
    beginning is what this tokenizer writes before a first word. `reserve` tokens are left for other demands. Raises
    InputError if the tokens cannot write the prefix.
    """

    def __init__(self, prefix: bytes, tokens: TokenTexts, *, eos_id: int, reserve: int = 0) -> None:
        self._prefix, self._token_texts, self._eos_id, self._reserve = prefix, tokens, eos_id, reserve
        # For each k: what may follow the first k bytes, as (token, how many bytes are there then).
        self._next = [self._continuations(k) for k in range(len(prefix))]
        self._fewest = [0.0] * (len(prefix) + 1)  # for each k: the tokens that it takes to write the rest
        for k in reversed(range(len(prefix.rstrip()))):
            self._fewest[k] = 1 + min((self._fewest[after] for _, after in self._next[k]), default=math.inf)
        if self._fewest[0] == math.inf:
            raise InputError(f"the model's tokens cannot write the prefix {prefix.decode('utf-8').lstrip()!r}")

    @property
    def tokens(self) -> int:
        """The fewest tokens that write the prefix."""
        return int(self._fewest[0])

    def holds(self, ids: Sequence[int]) -> bool:
        written = self._token_texts.written(ids).lstrip()
        return written.startswith(self._prefix.lstrip()) or written == self._prefix.strip()

    def forbid(self, hypotheses: Hypotheses, forbidden: Array) -> None:
        behind = (hypotheses.limits - hypotheses.length - 1).tolist()  # tokens that may follow the next one
        for row, paths in enumerate(hypotheses.paths()):
            for column, ids in enumerate(paths):
                written = self._token_texts.written(ids)
                if written.startswith(self._prefix):
                    continue
                others = np.ones(forbidden.shape[2], dtype=bool)
                if self._prefix.startswith(written):  # not so for a hypothesis that is no longer live
                    room = behind[row] - self._reserve
                    others[[token for token, k in self._next[len(written)] if self._fewest[k] <= room]] = False
                    others[self._eos_id] = written != self._prefix.rstrip()
                forbidden[row, column, others] = True

    def _continuations(self, k: int) -> list[tuple[int, int]]:
        rest, bytes_of = self._prefix[k:], self._token_texts.bytes_of
        found = self._token_texts.that_begin(rest) + self._token_texts.beginning_with(rest)
        return [(token, k + min(len(bytes_of[token]), len(rest))) for token in found]


class BannedText:
    """These bytes occur nowhere in a translation, however they are split into tokens."""

    def __init__(self, banned: bytes, tokens: TokenTexts) -> None:
        self._banned, self._token_texts = banned, tokens
        self._completion = Completion(banned, tokens)

    def holds(self, ids: Sequence[int]) -> bool:
        return self._banned not in self._token_texts.written(ids)

    def forbid(self, hypotheses: Hypotheses, forbidden: Array) -> None:
        forbidden[:, :, self._completion.whole] = True
        for row, paths in enumerate(hypotheses.paths()):
            for column, ids in enumerate(paths):
                forbidden[row, column, self._completion.after(self._token_texts.written(ids))] = True
