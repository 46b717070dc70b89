"""What a beam search considered, step by step, for those who want to look inside."""

import math
from typing import Literal, NamedTuple

from numpy_transformer.backend import Array
from numpy_transformer.decoding.rules import Hypotheses
from numpy_transformer.decoding.scoring import length_penalty

Fate = Literal["live", "finished", "dropped"]


class Candidate(NamedTuple):
    """One continuation of one hypothesis."""

    parent: int  # the place, in the step before, of the candidate that it continues; 0 at the first step
    token: int
    log_probability: float  # of the token
    total: float  # of all tokens up to this one
    score: float  # total / length_penalty: what it would be worth if it ended here
    fate: Fate  # goes on, ended with eos, or was not among the best


class Continuations(NamedTuple):
    """What the hypotheses of b sentences may become; along n, those that stay first, from the best to the worst."""

    tokens: Array  # (b, n)
    parents: Array  # (b, n) the hypothesis that each continues
    log_probabilities: Array  # (b, n) of the token
    totals: Array  # (b, n) of the hypothesis and the token; -inf for what cannot be


class BeamRecorder:
    """Pass one to `beam_search`: afterwards `steps[sentence][t]` are the candidates of step t.

    The first ones, as many as the beam is wide, were kept (live or finished), and their places are what `parent` of the
    next step counts; up to as many behind them, best first, were dropped.
    """

    def __init__(self) -> None:
        self.steps: dict[int, list[list[Candidate]]] = {}

    def add_step(
        self, hypotheses: Hypotheses, continuations: Continuations, *, beam: int, alpha: float, eos_id: int
    ) -> None:
        """The next step of the sentences in the batch."""
        for row, (sentence, length) in enumerate(zip(hypotheses.sentence, hypotheses.length, strict=True)):
            penalty = length_penalty(int(length) + 1, alpha)
            considered = zip(*(array[row, : 2 * beam].tolist() for array in continuations), strict=True)
            candidates = []
            for rank, (token, parent, log_probability, total) in enumerate(considered):
                fate: Fate = "dropped" if rank >= beam else "finished" if token == eos_id else "live"
                if rank < beam or total > -math.inf:
                    candidates.append(Candidate(parent, token, log_probability, total, total / penalty, fate))
            self.steps.setdefault(int(sentence), []).append(candidates)
