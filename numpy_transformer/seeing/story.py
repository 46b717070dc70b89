"""The story of a beam search, from the notes of a BeamRecorder: each step, what was finished, and why the winner won.

This file decides what a page and the terminal show.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bpe import Tokenizer
from bpe.show import visible
from numpy_transformer.data.clean_text import as_read, writable
from numpy_transformer.decoding.recorder import BeamRecorder, Candidate, Fate, Step
from numpy_transformer.formats.marian import MarianTokenizer


@dataclass(frozen=True)
class Branch:
    """One continuation of one hypothesis. Logarithms are natural; None means the logarithm of 0."""

    text: str  # of the hypothesis, the token included
    token: str  # its label
    parent: int  # the place, in the previous step, of the branch that it continues
    log_probability: float | None  # of the token
    total: float | None  # of the hypothesis
    score: float | None  # total / penalty
    fate: Fate
    wins: bool  # whether it is on the path to the translation that won


@dataclass(frozen=True)
class Chapter:
    """One step of the search. The first branches, as many as the beam is wide, were kept."""

    penalty: float
    branches: list[Branch]
    events: list[str]


@dataclass(frozen=True)
class Finished:
    """A translation that was finished."""

    text: str
    step: int  # at which it ended, from 1: its length in tokens, eos included
    place: int  # among the branches of that step
    log_probability: float
    penalty: float
    coverage: float  # the coverage penalty's part of the score; 0 without
    score: float  # log_probability / penalty + coverage

    @property
    def quoted(self) -> str:
        return f"\N{LEFT DOUBLE QUOTATION MARK}{self.text}\N{RIGHT DOUBLE QUOTATION MARK}"

    @property
    def arithmetic(self) -> str:
        coverage = f" {self.coverage:+.3f} for coverage" if self.coverage else ""
        return f"{self.log_probability:.3f} / {self.penalty:.3f}{coverage} = {self.score:.3f}"


@dataclass(frozen=True)
class Story:
    """A search from its first step to its end."""

    beam: int
    alpha: float
    chapters: list[Chapter]
    finished: list[Finished]  # best first, each text once
    reason: str  # why the first of them won


def tell(recorder: BeamRecorder, tokenizer: Tokenizer | MarianTokenizer, *, alpha: float, n_best: int = 1) -> Story:
    """The story of the only search that `recorder` saw; alpha and n_best are those of the search."""
    [steps] = recorder.steps.values()
    paths = _paths(steps)
    finished = _finished(steps, paths, tokenizer)
    winning = _winning_places(steps, finished[0])
    chapters = []
    for number, step in enumerate(steps, 1):
        branches = [
            Branch(
                text=writable(tokenizer.decode(path)),
                token=visible(tokenizer.vocabulary[candidate.token]),
                parent=candidate.parent,
                log_probability=_finite(candidate.log_probability),
                total=_finite(candidate.total),
                score=_finite(candidate.score),
                fate=candidate.fate,
                wins=winning.get(number) == place,
            )
            for place, (candidate, path) in enumerate(zip(step.candidates, paths[number - 1], strict=True))
        ]
        so_far = [one for one in finished if one.step <= number]
        events = [_ending(one, so_far) for one in so_far if one.step == number]
        events.append(_outlook(step, _different(so_far), n_best, is_last=number == len(steps)))
        chapters.append(Chapter(step.penalty, branches, events))
    finished = _different(finished)
    reason = " ".join([_why_it_won(finished), _what_greedy_does(steps, winning, tokenizer)])
    return Story(steps[0].kept, alpha, chapters, finished, reason)


def _paths(steps: Sequence[Step]) -> list[list[list[int]]]:
    """The ids of each candidate's hypothesis, the token included."""
    paths: list[list[list[int]]] = []
    before: list[list[int]] = [[]] * steps[0].kept
    for step in steps:
        before = [[*before[candidate.parent], candidate.token] for candidate in step.candidates]
        paths.append(before)
    return paths


def _finished(
    steps: Sequence[Step], paths: list[list[list[int]]], tokenizer: Tokenizer | MarianTokenizer
) -> list[Finished]:
    found = [
        Finished(
            writable(tokenizer.decode(paths[number - 1][place][:-1])),
            number,
            place,
            candidate.total,
            step.penalty,
            _coverage(candidate, step),
            candidate.score,
        )
        for number, step in enumerate(steps, 1)
        for place, candidate in enumerate(step.candidates)
        if candidate.fate == "finished"
    ]
    return sorted(found, key=lambda one: -one.score)


def _different(finished: Sequence[Finished]) -> list[Finished]:
    """Without those whose text a better one has: other tokens may write the same."""
    best: dict[str, Finished] = {}
    for one in finished:
        best.setdefault(as_read(one.text), one)
    return list(best.values())


def _winning_places(steps: Sequence[Step], winner: Finished) -> dict[int, int]:
    """The place of the winner's branch, for each step up to its end."""
    places, place = {}, winner.place
    for number in range(winner.step, 0, -1):
        places[number] = place
        place = steps[number - 1].candidates[place].parent
    return places


def _coverage(candidate: Candidate, step: Step) -> float:
    """The part of a finished candidate's score beyond its log-probability; exactly 0 without coverage penalty."""
    without = candidate.total / step.penalty
    return (
        0.0 if math.isclose(candidate.score, without) else candidate.score - without
    )  # two divisions round in two ways


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


# --- In words ---


def _ending(one: Finished, so_far: Sequence[Finished]) -> str:
    standing = "the best so far" if one is so_far[0] else f"the best so far has {so_far[0].score:.3f}"
    return f"{one.quoted} is finished with score {one.score:.3f}; {standing}."


def _outlook(step: Step, so_far: Sequence[Finished], n_best: int, *, is_last: bool) -> str:
    """What is still possible, and why the search continues or stops."""
    if step.highest_possible == -math.inf:
        return "No hypothesis is open any more: the search stops."
    if len(so_far) < n_best:
        wanted = f"{len(so_far)} of {n_best} translations are" if so_far else "no translation is"
        return f"The search goes on: {wanted} finished so far."
    kept = so_far[n_best - 1].score
    if is_last:
        return (
            f"The search stops: even if the rest of it were certain, no open hypothesis could get a better score than "
            f"{step.highest_possible:.3f}, and {kept:.3f} is there already."
        )
    return (
        f"The search goes on: if the rest of it were certain, an open hypothesis could reach "
        f"{step.highest_possible:.3f}, which is better than {kept:.3f}."
    )


def _why_it_won(finished: Sequence[Finished]) -> str:
    winner = finished[0]
    if len(finished) == 1:
        return f"{winner.quoted} is the only translation that was finished."
    count = f"the {len(finished)} that were finished"
    most_probable = max(finished, key=lambda one: one.log_probability)
    if most_probable.log_probability == winner.log_probability:
        second = finished[1]
        return (
            f"{winner.quoted} won: of {count} it is the most probable, log-probability {winner.log_probability:.3f}, "
            f"and has the best score, {winner.score:.3f}; the second, {second.quoted}, has {second.score:.3f}."
        )
    shorter = " The penalty divides a shorter one by less." if most_probable.step < winner.step else ""
    return (
        f"{winner.quoted} won by its score, {winner.arithmetic}. {most_probable.quoted} is more probable, "
        f"but {most_probable.arithmetic} is worse.{shorter}"
    )


def _what_greedy_does(steps: Sequence[Step], winning: Mapping[int, int], tokenizer: Tokenizer | MarianTokenizer) -> str:
    """Where the winner's way leaves that of greedy search: a candidate of the same parent was more probable."""
    for number in sorted(winning):
        candidates = steps[number - 1].candidates
        taken = candidates[winning[number]]
        siblings = (one for one in candidates if one.parent == taken.parent)
        first = max(siblings, key=lambda one: one.log_probability)
        if first.token != taken.token:
            labels = [visible(tokenizer.vocabulary[one.token]) for one in (first, taken)]
            return (
                f"Greedy search would have missed it: at step {number} it takes {labels[0]} "
                f"({first.log_probability:.3f}), where the winner has {labels[1]} ({taken.log_probability:.3f})."
            )
    return "Greedy search finds it as well: at every step its token is the most probable one."
