"""The project's own code on a page of the book: read from its file by name when the book is built, never copied."""

import importlib
import inspect
import sys
from pathlib import Path
from typing import Any

from IPython.display import Markdown

ROOT = Path(__file__).resolve().parents[2]


def code(*things: Any) -> Markdown:
    """The source of functions, classes or modules, each below the file that it stands in."""
    blocks = []
    for thing in map(inspect.unwrap, things):
        lines, first = inspect.getsourcelines(thing)
        file = Path(inspect.getsourcefile(thing) or "").resolve().relative_to(ROOT).as_posix()
        where = f"`{file}`" + (f", line {first}" if first else "")
        blocks.append(f"{where}\n\n```python\n{''.join(lines).rstrip()}\n```")
    return Markdown("\n\n".join(blocks))


def formula(module: str) -> Markdown:
    """The first indented lines of a module's docstring: the formula as the code's author wrote it."""
    text = (importlib.import_module(module).__doc__ or "").split("\n")
    shown: list[str] = []
    for line in text:
        if line.startswith("    "):
            shown.append(line[4:])
        elif shown and line.strip():
            break
    file = Path(sys.modules[module].__file__ or "").resolve().relative_to(ROOT).as_posix()
    return Markdown(f"`{file}`\n\n```text\n" + "\n".join(shown).rstrip() + "\n```")
