"""A syntax tree as a picture: SVG, which every browser shows.

The words stand in a row at the bottom, each under its tag. A bracket stands over the middle of its children, one line
below the bracket that it is in.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

from numpy_transformer.data.trees import SyntaxTree
from numpy_transformer.errors import InputError
from numpy_transformer.storage.atomic import atomic_write

MOST_WORDS = 200  # a wider picture would be unreadable
LETTER, GAP, MARGIN, LEVEL = 8.4, 18.0, 16.0, 46.0  # pixels: of a letter, between words, around all, between lines
LINE, WORD, TAG, LABEL = "#9aa5b1", "#1f2933", "#7b8794", "#0b69a3"  # colours


class Mark(NamedTuple):
    """A label, a tag or a word at its place, the middle of its baseline; and where its parent stands."""

    text: str
    x: float
    y: float
    colour: str
    parent: tuple[float, float] | None


def drawing(tree: SyntaxTree) -> str:
    """The tree as SVG. Raises InputError for a sentence that is too long to draw."""
    words = tree.words
    if len(words) > MOST_WORDS:
        raise InputError(f"a tree of {len(words):,} words cannot be drawn, only up to {MOST_WORDS}: split the sentence")
    places = list(_places(tree))
    bottom = MARGIN + LEVEL * (_depth(tree) + 1)
    marks: list[Mark] = []
    waiting = iter(places)

    def place(node: SyntaxTree, depth: int) -> float:
        """Put the node and all below it; its x."""
        if node.word is not None:
            x = next(waiting)
            marks.append(Mark(node.label, x, bottom - LEVEL, TAG, None))
            marks.append(Mark(node.word, x, bottom, WORD, (x, bottom - LEVEL)))
            return x
        y = MARGIN + LEVEL * depth + 14
        children = [(place(child, depth + 1), child) for child in node.children]
        x = (children[0][0] + children[-1][0]) / 2
        for child_x, child in children:
            child_y = bottom - LEVEL if child.word is not None else y + LEVEL
            marks.append(Mark("", child_x, child_y, LINE, (x, y)))
        marks.append(Mark(node.label, x, y, LABEL, None))
        return x

    place(tree, 0)
    width, height = places[-1] + _width(words[-1]) / 2 + MARGIN, bottom + MARGIN
    lines = "".join(
        f'<line x1="{mark.parent[0]:.1f}" y1="{mark.parent[1] + 6:.1f}" x2="{mark.x:.1f}" y2="{mark.y - 16:.1f}"/>'
        for mark in marks
        if mark.parent is not None
    )
    texts = "".join(
        f'<text x="{mark.x:.1f}" y="{mark.y:.1f}" fill="{mark.colour}">{escape(mark.text)}</text>'
        for mark in marks
        if mark.text
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(str(tree), {chr(34): "&quot;"})}">'
        f'<rect width="100%" height="100%" fill="white"/><g stroke="{LINE}" stroke-width="1.2">{lines}</g>'
        f'<g font-family="system-ui, sans-serif" font-size="14" text-anchor="middle">{texts}</g></svg>\n'
    )


def save_tree(path: str | Path, tree: SyntaxTree) -> None:
    """Write the picture; the file appears whole or not at all. Raises InputError if it cannot be drawn or written."""
    content = drawing(tree).encode("utf-8")
    with atomic_write(path) as file:
        file.write(content)


def _places(tree: SyntaxTree) -> Iterator[float]:
    """The middle of each word, so that neither words nor their tags touch."""
    right = MARGIN
    for leaf in tree.leaves():
        width = max(_width(str(leaf.word)), _width(leaf.label))
        yield right + width / 2
        right += width + GAP


def _width(text: str) -> float:
    return LETTER * max(2, len(text))


def _depth(tree: SyntaxTree) -> int:
    """The levels of brackets and tags below the root."""
    return 0 if tree.word is not None else 1 + max(map(_depth, tree.children))
