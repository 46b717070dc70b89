"""The words that a learner reads, from one file: english.toml, or a translation of it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy_transformer.errors import InputError

ENGLISH = Path(__file__).with_name("english.toml")


@dataclass(frozen=True)
class Texts:
    """All texts of one language. A text that a translation lacks is shown in English."""

    content: dict[str, Any]
    english: dict[str, Any]

    @classmethod
    def load(cls, file: Path | None = None) -> "Texts":
        """Raises InputError if the file cannot be read."""
        english = _read(ENGLISH)
        return cls(_read(file) if file else english, english)

    def message(self, message: str, **values: object) -> str:
        """A message of the checker with its values."""
        return self._find("messages", message).format(**values)

    def chapter(self, name: str) -> str:
        return self._find("chapters", name)

    def title(self, exercise: str) -> str:
        return self._find("exercise", exercise, "title")

    def statement(self, exercise: str) -> str:
        return self._find("exercise", exercise, "statement").strip()

    def hints(self, exercise: str) -> list[str]:
        return self._find("exercise", exercise, "hints")

    def idea(self, exercise: str, name: str) -> str:
        """The words of a misconception."""
        return self._find("exercise", exercise, "ideas", name)

    def slip(self, kind: str) -> str:
        """How a slip is put into words, with names in braces for its terms."""
        return self._find("slips", kind)

    def term(self, function: str, expression: str) -> str | None:
        """What a learner calls an expression of a reference function; None if it has no name of its own."""
        return self.content.get("terms", {}).get(function, {}).get(expression) or self.english["terms"].get(
            function, {}
        ).get(expression)

    def _find(self, *path: str) -> Any:
        for content in (self.content, self.english):
            found: Any = content
            for name in path:
                found = found.get(name, {}) if isinstance(found, dict) else {}
            if found:
                return found
        raise KeyError(" / ".join(path))


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {error}; it should be a translation of english.toml") from None
