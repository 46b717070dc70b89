"""The best finished translations of a search."""

from collections.abc import Callable, Hashable, Iterable

import numpy as np

from numpy_transformer.decoding.scoring import Decoded

Identity = Callable[[list[int]], Hashable]  # of ids: what two translations share that count as one


class Results:
    """The n best finished translations of each sentence, no two of one identity."""

    def __init__(self, sentences: int, n_best: int, identity: Identity = tuple) -> None:
        self._n_best, self._identity = n_best, identity
        self.found: list[list[Decoded]] = [[] for _ in range(sentences)]  # in descending order of score
        self.worst = np.full(sentences, -np.inf)  # the score a new one must beat; -inf while there is room

    def keep(self, sentence: int, decoded: Decoded) -> None:
        """Keep the translation if it is among the n best so far; ties keep the first."""
        found = self.found[sentence] = best_of_each([*self.found[sentence], decoded], self._identity)[: self._n_best]
        if len(found) == self._n_best:
            self.worst[sentence] = found[-1].score


def best_of_each(found: Iterable[Decoded], identity: Identity) -> list[Decoded]:
    """In descending order of score, without those that are the same as a better one; ties keep the first."""
    best: dict[Hashable, Decoded] = {}
    for one in sorted(found, key=lambda one: -one.score):
        best.setdefault(identity(one.ids), one)
    return list(best.values())
