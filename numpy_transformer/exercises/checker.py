"""From a solution to a verdict: run it in a process of its own, with a limit of time, and say what is wrong.

python -m numpy_transformer.exercises.checker FILE NAME [TEXTS]        prints the verdict as JSON
"""

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from numpy_transformer.exercises.catalogue import EXERCISES
from numpy_transformer.exercises.exercise import CallResult, DrawnCall, Exercise, Function, leaves, outcome
from numpy_transformer.exercises.language import Texts
from numpy_transformer.exercises.solution import RefusedError, Solution
from numpy_transformer.exercises.verdict import contract, difference, mistakes, numbers, right_results

SECONDS = 10  # for a solution, Python's start included
MARK = "verdict: "


@dataclass(frozen=True)
class Verdict:
    """Whether a solution is right; if not, what is wrong with it, a line for each finding."""

    name: str
    right: bool
    lines: list[str] = field(default_factory=list)


def check(exercise: Exercise, file: Path, texts: Texts, *, texts_file: Path | None = None) -> Verdict:
    """The verdict on a file, which runs in a child process and is ended after SECONDS."""
    command = [sys.executable, "-m", __spec__.name, str(file), exercise.name]
    package = str(Path(__file__).parents[2])  # the child finds it as this process did
    places = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        done = subprocess.run(
            [*command, *([str(texts_file)] if texts_file else [])],
            stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Verdict(exercise.name, False, [texts.message("too_long", file=file.name, seconds=SECONDS)])
    told = done.stdout.decode("utf-8", errors="replace").rpartition(MARK)[2]
    try:
        return Verdict(**json.loads(told))
    except (json.JSONDecodeError, TypeError):
        return Verdict(exercise.name, False, [texts.message("crashed", file=file.name, status=done.returncode)])


def judge(exercise: Exercise, file: Path, texts: Texts) -> Verdict:
    """The verdict, in this process."""
    solution, printed = Solution(exercise, file, texts), io.StringIO()
    sys.path.insert(0, str(file.parent))  # solutions may import each other
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            lines = findings(exercise, solution.load(), texts)
    except RefusedError as refused:
        lines = [str(refused)]
    except (Exception, SystemExit) as error:
        lines = [solution.raised(error), *getattr(error, "__notes__", [])]
    finally:
        sys.path.remove(str(file.parent))
    if lines and (told := printed.getvalue().splitlines()):
        lines.append(texts.message("printed", lines=f"{len(told):,}", first=told[0][:80]))
    return Verdict(exercise.name, not lines, lines)


def findings(exercise: Exercise, function: Function, texts: Texts) -> list[str]:
    """What is wrong with a function, a line each; empty if it is right. Raises what the function raises."""
    calls = exercise.drawn_calls()
    found = [_tried(exercise, function, call, texts) for call in calls]
    right = [outcome(exercise, exercise.reference, call) for call in calls]
    for call, one, other in zip(calls, found, right, strict=True):
        if problem := contract(exercise, call, one, other, texts):
            return [problem, *_which(call, texts)]
    for call, one, other in zip(calls, found, right, strict=True):
        if problem := numbers(exercise, call, one, other, texts):
            told = mistakes(exercise, found, texts)
            if not told and (seen := difference(one, other)):
                told = [texts.message("difference", difference=seen)]
            return [problem, *right_results(one, other, texts), *_which(call, texts), *told]
    return _in_float32(exercise, function, texts)


def _in_float32(exercise: Exercise, function: Function, texts: Texts) -> list[str]:
    """The same call with float32 arrays must stay in float32: a trainer's memory and speed hang on it."""
    [call, *_] = exercise.drawn_calls()
    narrow = DrawnCall({name: _narrowed(value) for name, value in call.arguments.items()}, call.written)
    right = outcome(exercise, exercise.reference, narrow)
    for result, value in outcome(exercise, function, narrow).results.items():
        expected = right.results[result]
        if not isinstance(expected, np.ndarray) or value.dtype == expected.dtype:
            continue
        if expected.dtype == bool:
            return [texts.message("wrong_kind", result=result, found=value.dtype, expected="bool: True and False")]
        return [texts.message("dtype", result=result, found=value.dtype, expected=expected.dtype)]
    return []


def _tried(exercise: Exercise, function: Function, call: DrawnCall, texts: Texts) -> CallResult:
    """What the call gives; an exception of the function gets a note with the arguments."""
    try:
        return outcome(exercise, function, call)
    except Exception as error:
        if not isinstance(error, NotImplementedError):
            for line in _which(call, texts):
                error.add_note(line)
        raise


def _narrowed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.astype("float32") if value.dtype == "float64" else value
    if hasattr(value, "_fields"):
        return type(value)(*map(_narrowed, value))
    if callable(value):
        return lambda *arrays: _narrowed(value(*arrays))
    return list(map(_narrowed, value)) if isinstance(value, list) else value


def _which(call: DrawnCall, texts: Texts) -> list[str]:
    """Which of the calls it was: its small arguments, such as a mask or a length."""
    told = []
    for argument, value in call.arguments.items():
        if argument == "gradients":  # as large as the parameters
            continue
        for name, leaf in leaves(argument, value):
            if leaf is None or isinstance(leaf, int | float | str | bytes):
                told.append(f"{name}={leaf!r}")
            elif isinstance(leaf, np.ndarray):
                told.append(f"{name} {leaf.shape}")
    return [texts.message("which_call", call=", ".join(told))] if told else []


def require(name: str, function: Function) -> None:
    """For notebooks and graders: raises AssertionError with the findings unless `function` solves the exercise."""
    texts = Texts.load()
    lines = findings(EXERCISES[name], function, texts)
    assert not lines, " ".join(lines)


def main() -> None:
    """Judge the solution of one exercise, in a process of its own: FILE EXERCISE [TEXTS]."""
    file, name, *texts_file = sys.argv[1:]
    texts = Texts.load(Path(texts_file[0]) if texts_file else None)
    verdict = judge(EXERCISES[name], Path(file), texts)
    print(MARK + json.dumps(asdict(verdict)))


if __name__ == "__main__":
    main()
