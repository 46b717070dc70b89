"""What is wrong with the outcome of a solution, in the order in which a learner can use it.

First what the function returns and leaves alone (its contract), then the numbers, and then which mistake gives exactly
these numbers: a wrong idea, a slip in one term of the reference, or what can be seen in the arrays themselves.
"""

import inspect
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from numpy_transformer.exercises.exercise import (
    TOLERANCE,
    CallResult,
    DrawnCall,
    Exercise,
    Function,
    equal,
    leaves,
    outcome,
    same_results,
)
from numpy_transformer.exercises.language import Texts
from numpy_transformer.exercises.slips import in_words
from numpy_transformer.gradcheck.diagnosis import diagnose
from numpy_transformer.gradcheck.mutants import Mutant, installed, mutants_of

MOST_SLIPS = 2  # that are named, if several give the same numbers


def contract(exercise: Exercise, call: DrawnCall, found: CallResult, right: CallResult, texts: Texts) -> str | None:
    """The first thing that is wrong besides the numbers, or None."""
    say, name = texts.message, exercise.name
    if not exercise.results and found.returned is not None:
        return say("something_returned", name=name, written=", ".join(call.written))
    if exercise.results and found.returned is None:
        return say("nothing_returned", name=name, results=", ".join(exercise.results))
    if "result" in found.results:
        returned = found.returned
        count = f"{len(returned)}" if isinstance(returned, tuple | list) else type(returned).__name__
        return say(
            "wrong_count", name=name, count=len(exercise.results), results=", ".join(exercise.results), found=count
        )
    for result, expected in right.results.items():
        if problem := _shape(result, found.results[result], expected, texts):
            return problem
    before = dict(pair for argument, value in call.arguments.items() for pair in leaves(argument, value))
    for argument, value in found.arguments.items():
        if not callable(value) and not _unchanged(value, before[argument]):
            return say("argument_changed", name=name, argument=argument)
    return next(_unwritten(call, before, found, right, texts), None)


def _shape(result: str, found: Any, expected: Any, texts: Texts) -> str | None:
    if not isinstance(expected, np.ndarray):
        if isinstance(expected, list) and not isinstance(found, list | tuple):
            return texts.message("wrong_kind", result=result, found=type(found).__name__, expected="a list")
        return None
    if not isinstance(found, np.ndarray | np.generic):
        return texts.message("wrong_kind", result=result, found=type(found).__name__, expected="an array")
    if found.shape != expected.shape:
        return texts.message("wrong_shape", result=result, found=found.shape, expected=expected.shape)
    return None


def _unchanged(after: Any, before: Any) -> bool:
    if isinstance(before, np.ndarray):
        return bool(np.array_equal(after, before))
    if isinstance(before, list) and before and callable(before[0]):
        return len(after) == len(before)
    if isinstance(before, list):
        return len(after) == len(before) and all(map(_unchanged, after, before))
    return bool(after == before)


def _unwritten(
    call: DrawnCall, before: dict[str, Any], found: CallResult, right: CallResult, texts: Texts
) -> Iterator[str]:
    """Buffers that were left alone, or added to where they had to be assigned, or the other way round."""
    for result, expected in right.results.items():
        old = before.get(result)
        if not isinstance(old, np.ndarray) or result.partition(".")[0] not in call.written:
            continue
        value = found.results[result]
        if np.array_equal(value, old) and not equal(old, expected):
            yield texts.message("not_written", result=result)
        elif equal(value, old + expected) and not equal(value, expected):
            yield texts.message("added", result=result)
        elif equal(value, expected - old) and not equal(value, expected):
            yield texts.message("assigned", result=result)


def numbers(exercise: Exercise, call: DrawnCall, found: CallResult, right: CallResult, texts: Texts) -> str | None:
    """Which result is wrong, and in how many of its numbers; None if all are right."""
    for result, expected in right.results.items():
        value = found.results[result]
        if equal(value, expected):
            continue
        if isinstance(expected, np.ndarray) and expected.size:
            value = np.asarray(value, dtype=complex)
            if not np.isfinite(value).all():
                return texts.message("not_finite", result=result)
            wrong = ~np.isclose(value, expected, rtol=TOLERANCE, atol=TOLERANCE * (1 + np.abs(expected).max()))
            return texts.message("wrong", result=result, share=f"{int(wrong.sum())} of {wrong.size}")
        return texts.message("wrong_kind", result=result, found=_short(value), expected=_short(expected))
    return None


def right_results(found: CallResult, right: CallResult, texts: Texts) -> list[str]:
    """A line that names the results that are right, if there are any beside the wrong one."""
    names = [name for name, expected in right.results.items() if equal(found.results[name], expected)]
    return [texts.message("others", right=", ".join(names))] if names else []


def _short(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def mistakes(exercise: Exercise, found: list[CallResult], texts: Texts) -> list[str]:
    """The mistakes that give exactly these results on the drawn calls, in words: a wrong idea, or up to two slips."""
    for name, outcomes in ideas(exercise).items():
        if _same(found, outcomes):
            return [texts.message("idea", idea=texts.idea(exercise.name, name))]
    matching = [in_words(mutant, texts) for mutant, outcomes in slips(exercise) if _same(found, outcomes)]
    distinct = list(dict.fromkeys(matching))
    finite = all(np.isfinite(leaf).all() for one in found for leaf in one.results.values() if _is_numeric(leaf))
    how = "mistake" if finite else "perhaps"  # many mistakes end in nan
    first = [texts.message(how, mistake=words) for words in distinct[:1]]
    return first + [texts.message("or_mistake", mistake=words) for words in distinct[1:MOST_SLIPS]]


def _is_numeric(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray | float) and np.asarray(leaf).dtype.kind in "fc"


@cache
def ideas(exercise: Exercise) -> dict[str, list[CallResult]]:
    """What each misconception gives on the drawn calls."""
    return {name: _outcomes(exercise, function) for name, function in exercise.misconceptions.items()}


@cache
def slips(exercise: Exercise) -> list[tuple[Mutant, list[CallResult]]]:
    """What each mutant gives on the drawn calls; those that break or change nothing are left out."""
    right, found = _outcomes(exercise, exercise.reference), []
    for source in exercise.mutated:
        for mutant in mutants_of(source):
            try:
                outcomes = outcomes_with(exercise, mutant)
            except Exception:  # a mistake may break in any way
                continue
            if not _same(outcomes, right):
                found.append((mutant, outcomes))
    return found


def outcomes_with(exercise: Exercise, mutant: Mutant) -> list[CallResult]:
    """What the reference gives on the drawn calls with this slip in it. Raises whatever the slip makes it raise."""
    if mutant.function is inspect.unwrap(exercise.reference):
        return _outcomes(exercise, mutant.altered())
    with installed(mutant):
        return _outcomes(exercise, exercise.reference)


def _outcomes(exercise: Exercise, function: Function) -> list[CallResult]:
    return [outcome(exercise, function, call) for call in exercise.drawn_calls()]


def _same(found: list[CallResult], others: list[CallResult]) -> bool:
    return all(same_results(one.results, other.results) for one, other in zip(found, others, strict=True))


def difference(found: CallResult, right: CallResult) -> str:
    """What can be seen in the arrays themselves: a factor, a sign, a mean, a mask; "" if nothing."""
    arrays = {name: value for name, value in right.results.items() if isinstance(value, np.ndarray)}
    for name, expected in arrays.items():
        value = found.results[name]
        if not equal(value, expected):
            others = {other: array for other, array in arrays.items() if other != name}
            return diagnose(np.asarray(value).real.astype(float), np.asarray(expected, dtype=float), others=others)
    return ""
