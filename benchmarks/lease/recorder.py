"""A JSON file of facts that is rewritten after each of them, so that a stage cut short keeps what it found."""

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Recorder:
    """Facts by name. A fact that cannot be had is recorded with its error, and the next one is tried.

    A library that is missing is no failure: what needs it is left out.
    """

    def __init__(self, file: Path | None) -> None:
        self.facts: dict[str, Any] = {}
        self.failed = False
        self._file = file

    def __call__(self, name: str, fact: Callable[[], Any]) -> Any:
        """Records fact(), prints it and returns it; None if it raised."""
        value = None
        try:
            value = shown = fact()
        except ImportError as error:
            shown = f"left out ({error})"
        except Exception as error:  # whatever a library or a card raises is the fact
            traceback.print_exc()
            self.failed = True
            shown = f"{type(error).__name__}: {error}"
        self.facts[name] = shown
        print(f"{name}: {shown}", flush=True)
        if self._file:
            self._file.write_text(json.dumps(self.facts, indent=1, default=str) + "\n", encoding="utf-8")
        return value

    def exit(self) -> None:
        """Ends the program; the status tells whether a fact failed."""
        sys.exit(1 if self.failed else 0)
