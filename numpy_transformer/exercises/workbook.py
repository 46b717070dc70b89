"""The learner's folder: a file an exercise, and what has been solved."""

import ast
import json
from dataclasses import dataclass
from pathlib import Path

from numpy_transformer.errors import InputError
from numpy_transformer.exercises.catalogue import EXERCISES
from numpy_transformer.exercises.exercise import Exercise
from numpy_transformer.exercises.language import Texts
from numpy_transformer.storage.text_files import write_text

PROGRESS = "progress.json"


@dataclass(frozen=True)
class Workbook:
    """A folder of solutions. Nothing that a learner wrote is ever overwritten."""

    folder: Path
    texts: Texts

    def file(self, exercise: Exercise) -> Path:
        return self.folder / f"{exercise.name}.py"

    def start(self, exercises: list[Exercise]) -> list[str]:
        """Writes the files that are not there yet; a line for each. Raises InputError for a folder of other work."""
        self._check_folder()
        lines = []
        for exercise in exercises:
            file = self.file(exercise)
            if file.exists():
                lines.append(self.texts.message("exists", file=file))
            else:
                write_text(file, skeleton(exercise, self.texts))
                lines.append(self.texts.message("written", file=file))
        return lines

    def solved(self) -> dict[str, int]:
        """The hints taken of each exercise that was solved, by name."""
        return self._read().get("solved", {})

    def hints_taken(self, name: str) -> int:
        return self._read().get("hints", {}).get(name, 0)

    def take_hint(self, name: str) -> int:
        """The number of the next hint, from 0; it counts as taken."""
        number = self.hints_taken(name)
        self._change("hints", name, number + 1)
        return number

    def record(self, name: str) -> None:
        """The exercise is solved."""
        self._change("solved", name, self.hints_taken(name))

    def _check_folder(self) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder} is a file; name a folder with --folder")
        names = {f"{name}.py" for name in EXERCISES} | {PROGRESS}
        there = sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []
        foreign = [name for name in there if name not in names and not name.startswith((".", "__"))]
        if foreign and not names & set(there):
            raise InputError(self.texts.message("foreign", folder=self.folder, file=foreign[0]))

    def _read(self) -> dict[str, dict[str, int]]:
        file = self.folder / PROGRESS
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{file} cannot be read ({error}): remove it, and check your solutions again") from None
        if not isinstance(content, dict):
            return {}
        tables = {name: table for name, table in content.items() if isinstance(table, dict)}
        return {
            name: {key: value for key, value in table.items() if key in EXERCISES and isinstance(value, int)}
            for name, table in tables.items()
        }

    def _change(self, table: str, name: str, value: int) -> None:
        content = self._read()
        content.setdefault(table, {})[name] = value
        write_text(self.folder / PROGRESS, json.dumps(content, indent=1, sort_keys=True) + "\n")


def skeleton(exercise: Exercise, texts: Texts) -> str:
    """What `start` writes: the statement, the signature, and nothing else."""
    statement = texts.statement(exercise.name).replace("\n", "\n    ")
    statement = "\n".join(line.rstrip() for line in statement.split("\n"))
    text = (
        f'"""{texts.title(exercise.name)}.\n\n'
        f"{texts.message('rules')}\n\n"
        f"    python -m numpy_transformer.exercises check {exercise.name}\n"
        f'    python -m numpy_transformer.exercises hint {exercise.name}\n"""\n\n'
        "import numpy as np  # noqa: F401\n\n\n"
        f"def {exercise.name}({exercise.signature}):\n"
        f'    """{statement}\n    """\n'
        "    raise NotImplementedError\n"
    )
    ast.parse(text)
    return text
