"""What a beam search considered, step by step, for those who want to look inside."""

import math
from typing import Literal, NamedTuple, Self

from numpy_transformer.backend.arrays import Array
from numpy_transformer.decoding.rules import Hypotheses
from numpy_transformer.decoding.scoring import length_penalty

Fate = Literal["live", "finished", "dropped"]


class Candidate(NamedTuple):
    """One continuation of one hypothesis."""

    parent: int  # the place, in the step before, of the candidate that it continues; 0 at the first step
    token: int
    log_probability: float  # of the token
    total: float  # of all tokens up to this one; -inf if impossible
    score: float  # what it would be worth if it ended here: total / length penalty; finished, with the coverage penalty
    fate: Fate  # goes on, ended with eos, or was not among the best


class Step(NamedTuple):
    """What was considered, best first. The first `kept` stayed; their places are what `parent` counts next time."""

    candidates: list[Candidate]
    kept: int
    penalty: float  # the length penalty that divides the totals of this step
    highest_possible: float  # no hypothesis that goes on can get a better score than this; -inf where none does


class Continuations(NamedTuple):
    """What the hypotheses of b sentences may become; along n, the kept ones first, from best to worst."""

    tokens: Array  # (b, n)
    parents: Array  # (b, n) the hypothesis that each continues
    log_probabilities: Array  # (b, n) of the token
    totals: Array  # (b, n) of the hypothesis and the token; -inf if impossible


class BeamRecorder:
    """Pass one to `beam_search`: afterwards `steps[sentence][t]` is step t.

    Its first candidates, as many as the beam is wide, were kept (live or finished); up to as many after them were
    dropped.
    """

    def __init__(self) -> None:
        self.steps: dict[int, list[Step]] = {}

    def restarted(self) -> Self:
        """This recorder, empty again, for another search of the same sentences."""
        self.steps.clear()
        return self

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
        """The next step of the b sentences in the batch, whose hypotheses got W continuations.

        ended (b, W): which of the kept ones are finished; scores (b, W): theirs; highest_possible (b,).
        """
        beam = ended.shape[1]
        for row, (sentence, length) in enumerate(zip(hypotheses.sentence, hypotheses.length, strict=True)):
            penalty = length_penalty(int(length) + 1, alpha)
            considered = zip(*(array[row, : 2 * beam].tolist() for array in continuations), strict=True)
            candidates = []
            for rank, (token, parent, log_probability, total) in enumerate(considered):
                if rank < beam:
                    score = float(scores[row, rank])
                    fate: Fate = "finished" if ended[row, rank] else "live" if total > -math.inf else "dropped"
                else:
                    score, fate = total / penalty, "dropped"
                if rank < beam or total > -math.inf:
                    candidates.append(Candidate(parent, token, log_probability, total, score, fate))
            step = Step(candidates, beam, penalty, float(highest_possible[row]))
            self.steps.setdefault(int(sentence), []).append(step)
