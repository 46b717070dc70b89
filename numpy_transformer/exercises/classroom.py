"""For teachers: a report of points, and a folder for GitHub Classroom or nbgrader made by one command."""

import json
from pathlib import Path
from typing import Any

from numpy_transformer.errors import InputError
from numpy_transformer.exercises.catalogue import EXERCISES
from numpy_transformer.exercises.checker import Verdict
from numpy_transformer.exercises.exercise import Exercise
from numpy_transformer.exercises.language import Texts
from numpy_transformer.exercises.workbook import Workbook, skeleton
from numpy_transformer.storage.atomic import atomic_folder
from numpy_transformer.storage.text_files import write_text

INSTALL = "pip install numpy-transformer"
KINDS = ("github", "nbgrader")


def report(verdicts: list[Verdict], workbook: Workbook) -> dict[str, Any]:
    """Points and findings of each exercise, ready for JSON."""
    exercises: dict[str, dict[str, Any]] = {
        verdict.name: {
            "points": EXERCISES[verdict.name].points if verdict.right else 0,
            "of": EXERCISES[verdict.name].points,
            "hints": workbook.hints_taken(verdict.name),
            "findings": verdict.lines,
        }
        for verdict in verdicts
    }
    points, most = (sum(entry[key] for entry in exercises.values()) for key in ("points", "of"))
    return {"points": points, "of": most, "exercises": exercises}


def make(kind: str, folder: Path, exercises: list[Exercise], texts: Texts) -> None:
    """The folder that a class begins with. Raises InputError if it exists already."""
    if folder.exists():
        raise InputError(f"{folder} exists already: name a new folder")
    with atomic_folder(folder) as made:
        if kind == "github":
            _github(made, exercises, texts)
        else:
            _nbgrader(made, exercises, texts)


def _github(folder: Path, exercises: list[Exercise], texts: Texts) -> None:
    """Skeletons, and the tests and points that GitHub Classroom runs at each push."""
    tests = [
        {
            "name": f"{exercise.name}: {texts.title(exercise.name)}",
            "setup": INSTALL,
            "run": f"python -m numpy_transformer.exercises check {exercise.name} --folder .",
            "comparison": "exact",
            "timeout": 1,
            "points": exercise.points,
        }
        for exercise in exercises
    ]
    for exercise in exercises:
        write_text(folder / f"{exercise.name}.py", skeleton(exercise, texts))
    classroom = folder / ".github" / "classroom"
    classroom.mkdir(parents=True)
    write_text(classroom / "autograding.json", json.dumps({"tests": tests}, indent=2) + "\n")
    write_text(folder / "requirements.txt", "numpy-transformer\n")
    listed = "\n".join(
        f"{number}. `{exercise.name}.py`: {texts.title(exercise.name)} ({exercise.points} points)"
        for number, exercise in enumerate(exercises, 1)
    )
    commands = f"{INSTALL}\npython -m numpy_transformer.exercises check --folder ."
    write_text(folder / "README.md", f"# Write the layers yourself\n\n```sh\n{commands}\n```\n\n{listed}\n")


def _nbgrader(folder: Path, exercises: list[Exercise], texts: Texts) -> None:
    """One notebook of nbgrader's schema 3: a cell to write in and a cell that grades, for each exercise."""
    cells = [_cell("markdown", "title", "# Write the layers yourself"), _cell("code", "setup", _SETUP)]
    for exercise in exercises:
        solution = skeleton(exercise, texts).partition("\n\n\n")[2].strip()
        grade = {"grade": True, "points": exercise.points, "locked": True}
        cells += [
            _cell("markdown", f"{exercise.name}-text", f"## {texts.title(exercise.name)}"),
            _cell("code", exercise.name, solution, solution=True, locked=False),
            _cell("code", f"{exercise.name}-grade", f'require("{exercise.name}", {exercise.name})', **grade),
        ]
    notebook = {
        "cells": cells,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    source = folder / "source" / "transformer"
    source.mkdir(parents=True)
    write_text(source / "exercises.ipynb", json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


_SETUP = "import numpy as np\n\nfrom numpy_transformer.exercises.checker import require"


def _cell(kind: str, name: str, source: str, **grading: Any) -> dict[str, Any]:
    rules = {"grade": False, "solution": False, "locked": True, "task": False, "schema_version": 3, "grade_id": name}
    cell: dict[str, Any] = {
        "cell_type": kind,
        "id": name.replace("_", "-"),
        "metadata": {"nbgrader": rules | grading},
        "source": source.splitlines(keepends=True),
    }
    return cell | ({"outputs": [], "execution_count": None} if kind == "code" else {})
