"""From a chapter's text to a Jupyter notebook: prose and code cells, and a hidden cell for what the prose claims."""

import re
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

FENCE = re.compile(r"^```\{code-cell\}\n((?::[a-z-]+:[^\n]*\n)*)(.*?)^```\n", re.MULTILINE | re.DOTALL)
PROMISE = re.compile(r"\{(num|claim)\}`([^`|]+)\|([^`]+)`")
FUNCTIONS = {"num": "number", "claim": "claim"}
# The notebooks lie in docs/_build/notebooks of a clone.
BEGINNING = """import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd().resolve().parents[2]))  # the clone

from docs.bookshelf.checking import claim, number"""


def notebook(text: str) -> nbformat.NotebookNode:
    """The notebook of a chapter: {code-cell} blocks become cells, everything between them Markdown."""
    cells = [new_code_cell(BEGINNING, metadata={"tags": ["remove-cell"]})]
    before = 0
    for match in FENCE.finditer(text):
        cells += _prose(text[before : match.start()])
        tags = re.findall(r":tags: \[(.*)\]", match[1])
        metadata = {"tags": re.findall(r"[\w-]+", tags[0])} if tags else {}
        cells.append(new_code_cell(match[2].rstrip(), metadata=metadata))
        before = match.end()
    cells += _prose(text[before:])
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"  # the same in every build
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def _prose(text: str) -> list[nbformat.NotebookNode]:
    """A Markdown cell, and behind it a hidden one that holds the text to its word."""
    if not text.strip():
        return []
    checks = [f"{FUNCTIONS[kind]}({words!r}, {expression})" for kind, words, expression in PROMISE.findall(text)]
    cells = [new_markdown_cell(PROMISE.sub(lambda match: match[2], text).strip())]
    if checks:
        cells.append(new_code_cell("\n".join(checks), metadata={"tags": ["remove-cell"]}))
    return cells


def title_of(path: Path) -> str:
    """The chapter's heading."""
    return path.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
