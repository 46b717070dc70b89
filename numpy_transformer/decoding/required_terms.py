"""Required terms: every translation contains all of them (dynamic beam allocation, Post and Vilar 2018).

Forbidding the end of a translation until all terms are there is not enough: the beam would fill with hypotheses that
put the terms off forever. So

    the tokens that advance a term are always candidates, however improbable;
    the beam is shared evenly among the banks, bank p holding the candidates with p tokens of the terms in place;
    a token may come only if it leaves room for everything still missing.

The last point is what makes it a guarantee.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.decoding.rules import Hypotheses
from numpy_transformer.errors import InputError


class Term(NamedTuple):
    """The ids of a required text. A hypothesis has it if they stand in a row within it, or at its start."""

    inside: list[int]  # after a space
    at_start: list[int]  # with no space in front

    def is_in(self, ids: list[int]) -> bool:
        n = len(self.inside)
        return ids[: len(self.at_start)] == self.at_start or any(
            ids[start : start + n] == self.inside for start in range(len(ids) - n + 1)
        )

    def next_tokens(self, ids: list[int]) -> tuple[list[int], int]:
        """The tokens that begin it or continue the part that `ids` end with, and the fewest still to come."""
        begun = (n for n in range(min(len(self.inside) - 1, len(ids)), 0, -1) if ids[-n:] == self.inside[:n])
        n = next(begun, 0)
        tokens, missing = [self.inside[0], self.inside[n]], len(self.inside) - n
        if ids == self.at_start[: len(ids)]:
            tokens.append(self.at_start[len(ids)])
            missing = min(missing, len(self.at_start) - len(ids))
        return tokens, missing


class TermProgress(NamedTuple):
    """How far a hypothesis has got with the terms."""

    unmet: list[Term]  # the terms that are not there yet
    missing: int  # tokens that finish these, if they come one after the other
    advancing: set[int]  # the tokens that begin or continue one of them


class RequiredTerms:
    """What every translation must contain. Raises InputError for an empty term."""

    def __init__(self, terms: Sequence[Term], *, eos_id: int, pad_id: int) -> None:
        if not all(term.inside and term.at_start for term in terms):
            raise InputError("a required term is empty: name at least one character")
        self._terms = list(terms)
        self._eos_id, self._pad_id = eos_id, pad_id

    @property
    def tokens(self) -> int:
        """The most tokens that all terms can need."""
        return sum(len(term.inside) for term in self._terms)

    def progress(self, ids: list[int]) -> TermProgress:
        """The progress of one hypothesis, from its tokens."""
        unmet = [term for term in self._terms if not term.is_in(ids)]
        ahead = [term.next_tokens(ids) for term in unmet]
        begun = (len(term.inside) - missing for term, (_, missing) in zip(unmet, ahead, strict=True))
        return TermProgress(
            unmet=unmet,
            # Only one of them can be begun; the others come after a space.
            missing=sum(len(term.inside) for term in unmet) - max(begun, default=0),
            advancing={token for tokens, _ in ahead for token in tokens},
        )

    def forbid(self, hypotheses: Hypotheses, forbidden: Array) -> None:
        """No eos before all terms are there, and no token that leaves too little room for what is missing."""
        behind = (hypotheses.limits - hypotheses.length - 1).tolist()  # tokens that may follow the next one
        for row, paths in enumerate(hypotheses.paths()):
            for column, ids in enumerate(paths):
                unmet = self.progress(ids).unmet
                if unmet:
                    forbidden[row, column, self._eos_id] = True
                if sum(len(term.inside) for term in unmet) > behind[row]:  # a token of no term would take their room
                    others = np.ones(forbidden.shape[2], dtype=bool)
                    for token in {token for term in unmet for tokens in term for token in tokens}:
                        others[token] = self.progress([*ids, token]).missing > behind[row]
                    forbidden[row, column, others] = True

    def advancing(self, hypotheses: Hypotheses) -> Array:
        """(b, W, A) the tokens that advance a term, each once, padded with pad, which no translation contains."""
        b, W, _ = hypotheses.ids.shape
        found = np.full((b, W, 3 * len(self._terms)), self._pad_id)
        for row, paths in enumerate(hypotheses.paths()):
            for column, ids in enumerate(paths):
                tokens = sorted(self.progress(ids).advancing)
                found[row, column, : len(tokens)] = tokens
        return found

    def spread(
        self, order: Array, tokens: Array, parents: Array, totals: Array, hypotheses: Hypotheses, beam: int
    ) -> Array:
        """`order` (b, n), candidates from the best to the worst, changed so that the first `beam` share the banks.

        parents (b, n) are given in that order too; tokens and totals (b, n) by the numbers that `order` holds.
        """
        spread = order.copy()
        for row, paths in enumerate(hypotheses.paths()):
            banks: dict[int, list[int]] = {}
            for candidate, parent in zip(order[row].tolist(), parents[row].tolist(), strict=True):
                if totals[row, candidate] > -np.inf:
                    missing = self.progress([*paths[parent], int(tokens[row, candidate])]).missing
                    banks.setdefault(missing, []).append(candidate)
            # One of each bank in turn, those missing least first; a bank that runs out leaves its share to the rest.
            chosen: list[int] = []
            for rank in range(beam):
                chosen += [banks[missing][rank] for missing in sorted(banks) if rank < len(banks[missing])]
            chosen = sorted(chosen[:beam], key=lambda candidate: -totals[row, candidate])
            taken = set(chosen)
            spread[row] = [*chosen, *(candidate for candidate in order[row].tolist() if candidate not in taken)]
        return spread
