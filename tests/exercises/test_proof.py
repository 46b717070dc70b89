"""The checker is itself proven: every slip is rejected and named, every wrong idea has its words, right is right."""

import numpy as np
import pytest
import solutions

from numpy_transformer.exercises.catalogue import EXERCISES
from numpy_transformer.exercises.checker import findings
from numpy_transformer.exercises.exercise import outcome
from numpy_transformer.exercises.language import Texts
from numpy_transformer.exercises.slips import in_words
from numpy_transformer.exercises.verdict import contract, mistakes, numbers, outcomes_with, slips
from numpy_transformer.gradcheck.mutants import mutants_of

TEXTS = Texts.load()


def by_name(exercise):
    return exercise.name


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=by_name)
def test_a_right_solution_written_otherwise_is_accepted(exercise):
    assert findings(exercise, getattr(solutions, exercise.name), TEXTS) == []


@pytest.mark.parametrize("exercise", EXERCISES.values(), ids=by_name)
def test_the_reference_is_accepted(exercise):
    assert findings(exercise, exercise.reference, TEXTS) == []


IDEAS = [(exercise, name) for exercise in EXERCISES.values() for name in exercise.misconceptions]


@pytest.mark.parametrize(("exercise", "name"), IDEAS, ids=[f"{e.name}-{name}" for e, name in IDEAS])
def test_a_wrong_idea_is_named(exercise, name):
    told = " ".join(findings(exercise, exercise.misconceptions[name], TEXTS))
    assert TEXTS.idea(exercise.name, name) in told or "must be a" in told or "has shape" in told  # the contract says it


def test_every_slip_is_rejected_and_most_are_named(capsys):
    counts = dict.fromkeys(
        ("raise", "break the contract", "are named", "are named as another slip", "are not named"), 0
    )
    for exercise in EXERCISES.values():
        calls = exercise.drawn_calls()
        right = [outcome(exercise, exercise.reference, call) for call in calls]
        different = {mutant.label for mutant, _ in slips(exercise)}
        for source in exercise.mutated:
            for mutant in mutants_of(source):
                try:
                    found = outcomes_with(exercise, mutant)  # handed in
                except Exception:  # it is rejected with its own error
                    counts["raise"] += 1
                    continue
                trios = list(zip(calls, found, right, strict=True))
                if any(contract(exercise, *trio, TEXTS) for trio in trios):
                    counts["break the contract"] += 1
                    continue
                rejected = any(numbers(exercise, *trio, TEXTS) for trio in trios)
                assert rejected == (mutant.label in different), mutant.label
                if rejected:
                    told, own = mistakes(exercise, found, TEXTS), in_words(mutant, TEXTS)
                    named = "are named" if any(own in words for words in told) else "are named as another slip"
                    counts[named if told else "are not named"] += 1
    changed = sum(list(counts.values())[2:])
    with capsys.disabled():
        print(f"\n{sum(counts.values())} slips handed in: " + ", ".join(f"{n} {what}" for what, n in counts.items()))
    assert counts["are named"] + counts["are named as another slip"] >= 0.85 * changed
    assert changed > 250


def test_the_slips_of_an_exercise_are_not_told_by_its_code():
    """A sentence names terms; it never holds an assignment or a call of the reference."""
    for exercise in EXERCISES.values():
        for mutant, _ in slips(exercise):
            words = in_words(mutant, TEXTS)
            assert "matmul(" not in words
            assert ".reshape(" not in words
            assert " = " not in words


def test_the_calls_are_the_same_every_time():
    for exercise in EXERCISES.values():
        for one, other in zip(exercise.drawn_calls(), exercise.drawn_calls(), strict=True):
            for name, value in one.arguments.items():
                if isinstance(value, np.ndarray):
                    np.testing.assert_array_equal(value, other.arguments[name])
