"""The learner's file, read with care: what can be said before anything of it runs."""

import ast
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy_transformer.exercises.exercise import Exercise, Function
from numpy_transformer.exercises.language import Texts

FORBIDDEN = ("numpy_transformer", "bpe", "importlib")


class RefusedError(Exception):
    """A solution that cannot be tried; the message is one line for the learner."""


@dataclass(frozen=True)
class Solution:
    """A file with the function of an exercise."""

    exercise: Exercise
    file: Path
    texts: Texts

    def load(self) -> Function:
        """The function. Raises RefusedError if the file is missing, cannot be read, or has no such function."""
        source = self._source()
        _check_imports(self.file, self.texts, seen=set())
        module: dict[str, Any] = {"__name__": self.file.stem, "__file__": str(self.file)}
        try:
            exec(compile(source, str(self.file), "exec"), module)
        except Exception as error:
            raise RefusedError(self.raised(error)) from None
        function = module.get(self.exercise.name)
        if not callable(function):
            raise RefusedError(self._say("missing_function", file=self.file.name, name=self.exercise.name))
        self._check_parameters(function)
        return function

    def raised(self, error: BaseException) -> str:
        """An exception of the solution, with the learner's own line."""
        if isinstance(error, NotImplementedError):
            return self._say("empty", file=self.file.name)
        if isinstance(error, SystemExit):
            return self._say("left", file=self.file.name)
        frames = inspect.getinnerframes(error.__traceback__) if error.__traceback__ else []
        own = [frame for frame in frames if Path(frame.filename).resolve().parent == self.file.resolve().parent]
        file, line = (Path(own[-1].filename).name, own[-1].lineno) if own else (self.file.name, "?")
        if isinstance(error, AttributeError) and "can't set" in str(error):  # gradients.weight = ...
            text = "".join(own[-1].code_context or []) if own else ""
            message = "add_attribute" if "+=" in text else "set_attribute"
            return self._say(message, file=file, line=line)
        what = " ".join(f"{type(error).__name__}: {error}".split())
        return self._say("raised", file=file, line=line, error=what[:300])

    def _source(self) -> str:
        name = self.exercise.name
        try:
            return self.file.read_text(encoding="utf-8")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise RefusedError(self._say("missing_file", file=self.file, name=name)) from None
        except (UnicodeDecodeError, OSError):
            raise RefusedError(self._say("not_text", file=self.file)) from None

    def _check_parameters(self, function: Function) -> None:
        try:
            found = list(inspect.signature(function).parameters)
        except (TypeError, ValueError):
            return
        expected = list(inspect.signature(self.exercise.reference).parameters)
        if found != expected:
            name = self.exercise.name
            raise RefusedError(self._say("parameters", name=name, found=", ".join(found), expected=", ".join(expected)))

    def _say(self, message: str, **values: object) -> str:
        return self.texts.message(message, **values)


def _check_imports(file: Path, texts: Texts, *, seen: set[Path]) -> None:
    """Refuses a file, or a file of the same folder that it imports, that does not parse or that imports ours."""
    seen.add(file)
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or "?"
        reason = " ".join(str(getattr(error, "msg", error)).split())
        raise RefusedError(texts.message("syntax", file=file.name, line=line, error=reason)) from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        elif isinstance(node, ast.Name) and node.id == "__import__":
            modules = ["importlib"]
        else:
            continue
        for module in modules:
            top = module.partition(".")[0]
            if top in FORBIDDEN:
                raise RefusedError(texts.message("forbidden_import", file=file.name, line=node.lineno, module=top))
            neighbour = file.with_name(f"{top}.py")
            if neighbour.exists() and neighbour not in seen:
                _check_imports(neighbour, texts, seen=seen)
