"""A beam search as it happens: after each step, what it holds."""

from collections.abc import Callable
from typing import NamedTuple, Self

from numpy_transformer.backend.arrays import Array
from numpy_transformer.decoding.recorder import BeamRecorder, Continuations
from numpy_transformer.decoding.rules import Hypotheses


class Draft(NamedTuple):
    """A hypothesis in the middle of the search."""

    ids: list[int]  # without bos and eos
    score: float  # what it would be worth if it ended here
    finished: bool  # it has ended with eos


class LiveRecorder(BeamRecorder):
    """A BeamRecorder for one sentence: after each step it calls `show` with the drafts, the best score first.

    They are the hypotheses that go on and the best that have finished, at most as many of either as the beam is wide.
    An exception from `show` ends the search and propagates.
    """

    def __init__(self, show: Callable[[list[Draft]], None]) -> None:
        super().__init__()
        self._show = show
        self._finished: list[Draft] = []

    def restarted(self) -> Self:
        """This recorder, empty again, for another search of the same sentence."""
        self._finished = []
        return super().restarted()

    def add_step(
        self,
        hypotheses: Hypotheses,
        continuations: Continuations,
        ended: Array,
        scores: Array,
        highest_possible: Array,
        *,
        alpha: float,
    ) -> None:
        """The next step of the sentence."""
        super().add_step(hypotheses, continuations, ended, scores, highest_possible, alpha=alpha)
        [paths], [steps] = hypotheses.paths(), self.steps.values()
        step = steps[-1]
        live = []
        for candidate in step.candidates:
            path = paths[candidate.parent]
            if candidate.fate == "finished":
                self._finished.append(Draft(path, candidate.score, finished=True))
            elif candidate.fate == "live":
                live.append(Draft([*path, candidate.token], candidate.score, finished=False))
        self._finished = _best_first(self._finished)[: step.kept]
        self._show(_best_first([*self._finished, *live]))


def _best_first(drafts: list[Draft]) -> list[Draft]:
    return sorted(drafts, key=lambda draft: -draft.score)
