"""Required terms: every translation holds all of them (dynamic beam allocation, Post and Vilar 2018).

Forbidding the end of a translation until all terms are there is not enough: the beam would fill with hypotheses that
put the terms off for ever. So

    the tokens that advance a term are always candidates, however improbable;
    the beam is shared evenly among the banks, bank p holding the candidates with p tokens of the terms in place;
    a token may come only if behind it there is still room for all that is missing.

The last point is what makes it a guarantee.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from numpy_transformer.backend import Array
from numpy_transformer.decoding.rules import Hypotheses
from numpy_transformer.errors import InputError


class Progress(NamedTuple):
    """How far a hypothesis has got with the terms."""

    unmet: list[list[int]]  # the terms that are not there yet
    missing: int  # tokens that finish these, if they come one after the other
    advancing: list[int]  # the tokens that begin or continue one of them


class RequiredTerms:
    """Terms as token ids; each is found when its ids stand in a row. Raises InputError for an empty term."""

    def __init__(self, terms: Sequence[Sequence[int]], *, eos_id: int, pad_id: int) -> None:
        if not all(terms):
            raise InputError("a required term is empty: name at least one character")
        self._terms = [list(term) for term in terms]
        self._eos_id, self._pad_id = eos_id, pad_id

    @property
    def tokens(self) -> int:
        """What all terms need at most."""
        return sum(map(len, self._terms))

    def progress(self, ids: list[int]) -> Progress:
        """Of the tokens of one hypothesis."""
        unmet = [term for term in self._terms if not _contains(ids, term)]
        begun = [_begun(ids, term) for term in unmet]
        return Progress(
            unmet=unmet,
            missing=sum(map(len, unmet)) - max(begun, default=0),
            advancing=[term[i] for term, n in zip(unmet, begun, strict=True) for i in {0, n}],
        )

    def forbid(self, hypotheses: Hypotheses, forbidden: Array) -> None:
        """No eos before all terms are there, and no token behind which there is no room for what is missing."""
        behind = (hypotheses.limits - hypotheses.length - 1).tolist()  # tokens that may follow the next one
        for row, paths in enumerate(hypotheses.paths()):
            for column, ids in enumerate(paths):
                unmet = self.progress(ids).unmet
                if unmet:
                    forbidden[row, column, self._eos_id] = True
                if sum(map(len, unmet)) > behind[row]:  # a token that is of no term would leave too little room
                    others = np.ones(forbidden.shape[2], dtype=bool)
                    for token in {token for term in unmet for token in term}:
                        others[token] = self.progress([*ids, token]).missing > behind[row]
                    forbidden[row, column, others] = True

    def advancing(self, hypotheses: Hypotheses) -> Array:
        """(b, W, A) the tokens that advance a term, each once, and pad, which no translation holds, behind."""
        b, W, _ = hypotheses.ids.shape
        found = np.full((b, W, 2 * len(self._terms)), self._pad_id)
        for row, paths in enumerate(hypotheses.paths()):
            for column, ids in enumerate(paths):
                tokens = sorted(set(self.progress(ids).advancing))
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
            # One of each bank in turn, those that miss least first; a bank that runs out leaves its share to the rest.
            chosen: list[int] = []
            for rank in range(beam):
                chosen += [banks[missing][rank] for missing in sorted(banks) if rank < len(banks[missing])]
            chosen = sorted(chosen[:beam], key=lambda candidate: -totals[row, candidate])
            taken = set(chosen)
            spread[row] = [*chosen, *(candidate for candidate in order[row].tolist() if candidate not in taken)]
        return spread


def _contains(ids: list[int], term: list[int]) -> bool:
    return any(ids[start : start + len(term)] == term for start in range(len(ids) - len(term) + 1))


def _begun(ids: list[int], term: list[int]) -> int:
    """How many of the term's first tokens the hypothesis ends with."""
    return next((n for n in range(min(len(term) - 1, len(ids)), 0, -1) if ids[-n:] == term[:n]), 0)
