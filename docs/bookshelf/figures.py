"""Pictures as SVG inside the page: drawn by code, in the page's own ink, so that they can be read in the dark.

All are at most 480 wide, with text of 13 and more, and shrink to a phone's width.
"""

import io
import re
import zlib
from collections.abc import Sequence
from html import escape
from typing import Any

import matplotlib
import numpy as np
from IPython.display import HTML
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#3f7fe8", "#e07b27", "#2b9d68", "#8a8f98"
COLOURS = (BLUE, ORANGE, GREEN, "#b05cc8", "#c9a227", GREY)
_INK = "#010203"  # replaced by the colour of the text around
STYLE = {
    "svg.fonttype": "none", "svg.hashsalt": "book", "font.family": "sans-serif", "font.size": 11,
    "text.color": _INK, "axes.edgecolor": _INK, "axes.labelcolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
    "axes.facecolor": "none", "figure.facecolor": "none", "legend.frameon": False, "axes.spines.top": False,
    "axes.spines.right": False, "axes.titlesize": 11, "lines.linewidth": 2,
}  # fmt: skip


def figure(width: float = 5, height: float = 3, **subplots: Any) -> tuple[Figure, Any]:
    """A figure of so many inches and its axes, in the book's style."""
    matplotlib.rcParams.update(STYLE)
    drawing = Figure((width, height), layout="constrained")
    FigureCanvasSVG(drawing)
    axes = drawing.subplots(**subplots)
    for one in np.ravel(axes):
        one.set_prop_cycle(color=COLOURS)
    return drawing, axes


def show(drawing: Figure, description: str) -> HTML:
    """The figure as SVG; `description` is read to those who do not see it."""
    buffer = io.StringIO()
    drawing.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"(?<=font: )([\d.]+)px '[^']*'[^;\"]*", r"\1px system-ui, sans-serif", svg)
    # Without their own ids two figures of a page would share their clips.
    mark = f"f{zlib.crc32(svg.encode()):08x}-"
    svg = re.sub(r'(id="|url\(#|href="#)', lambda match: match[1] + mark, svg)
    return framed(svg, description)


def framed(svg: str, description: str) -> HTML:
    """An SVG that a page may hold: as wide as the page allows, with a description."""
    label = f'<svg role="img" aria-label="{escape(description)}" style="max-width:100%;height:auto;overflow:visible"'
    return HTML('<div class="figure">' + svg.replace("<svg", label, 1) + "</div>")


def heat(
    axes: Any,
    weights: Any,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    *,
    numbers: str | None = None,
    colour: str = BLUE,
) -> None:
    """A matrix as cells whose colour is as strong as the number is large; orange where it is negative."""
    weights = np.asarray(weights, dtype=float)
    largest = abs(weights).max() or 1.0
    for (row, column), value in np.ndenumerate(weights):
        shade = colour if value >= 0 else ORANGE
        axes.add_patch(
            matplotlib.patches.Rectangle(
                (column, row), 1, 1, facecolor=shade, alpha=float(min(1, abs(value) / largest)), linewidth=0
            )
        )
        axes.add_patch(
            matplotlib.patches.Rectangle((column, row), 1, 1, fill=False, edgecolor=GREY, linewidth=0.4, alpha=0.6)
        )
        if numbers is not None:
            axes.text(column + 0.5, row + 0.5, format(value, numbers), ha="center", va="center", fontsize=10)
    axes.set(xlim=(0, weights.shape[1]), ylim=(weights.shape[0], 0), aspect="equal")
    axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=60 if max(map(len, columns), default=0) > 3 else 0)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.xaxis.tick_top()


def boxes(
    items: Sequence[tuple[float, float, str] | tuple[float, float, str, str]],
    arrows: Sequence[tuple[int, int] | tuple[int, int, str]],
    description: str,
    *,
    size: tuple[float, float] = (120, 34),
    links: Sequence[str] = (),
) -> HTML:
    """Boxes at (x, y) with text and perhaps a colour, and arrows from box to box with perhaps a word."""
    width, height = size
    right = max(item[0] for item in items) + width / 2 + 8
    left = min(item[0] for item in items) - width / 2 - 8
    bottom = max(item[1] for item in items) + height / 2 + 8
    top = min(item[1] for item in items) - height / 2 - 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right - left:g}" viewBox="{left:g} {top:g} {right - left:g} '
        f'{bottom - top:g}" font-family="system-ui, sans-serif" font-size="14" fill="currentColor">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="currentColor"/></marker></defs>'
    ]
    for arrow in arrows:
        (x1, y1), (x2, y2) = items[arrow[0]][:2], items[arrow[1]][:2]
        start, end = _edge(x1, y1, x2, y2, size), _edge(x2, y2, x1, y1, size)
        parts.append(
            f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
            'stroke="currentColor" stroke-width="1.4" marker-end="url(#tip)"/>'
        )
        if len(arrow) > 2:
            x, y = (x1 + x2) / 2 + 6, (y1 + y2) / 2 - 4
            parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="12.5">{escape(arrow[2])}</text>')
    for number, item in enumerate(items):
        x, y, text = item[:3]
        colour = item[3] if len(item) > 3 else GREY
        lines = text.split("\n")
        words = "".join(
            f'<text x="{x:g}" y="{y - 3 - 8 * len(lines) + 16 * i:g}" text-anchor="middle">{escape(line)}</text>'
            for i, line in enumerate(lines, 1)
        )
        box = (
            f'<rect x="{x - width / 2:g}" y="{y - height / 2:g}" width="{width:g}" height="{height:g}" rx="6" '
            f'fill="{colour}" fill-opacity=".18" stroke="{colour}" stroke-width="1.5"/>{words}'
        )
        parts.append(f'<a href="{escape(links[number])}">{box}</a>' if links and links[number] else box)
    return framed("".join(parts) + "</svg>", description)


def _edge(x1: float, y1: float, x2: float, y2: float, size: tuple[float, float]) -> tuple[float, float]:
    """Where the line from one box's middle to another's leaves the first."""
    dx, dy = x2 - x1, y2 - y1
    share = min(
        (size[0] / 2 + 2) / abs(dx) if dx else float("inf"), (size[1] / 2 + 2) / abs(dy) if dy else float("inf")
    )
    return x1 + share * dx, y1 + share * dy
