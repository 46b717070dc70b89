"""The attention of every layer and head as one PNG picture."""

import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy_transformer.backend.arrays import Array
from numpy_transformer.seeing.kinds import Kind
from numpy_transformer.storage.atomic import atomic_write

LONGEST_SIDE = 100.0  # inches, at 100 dots per inch
LETTERS_PER_INCH = 12  # of the title, on average
BLANK = 1.4  # inches that a block's title and labels need


def save_picture(path: str | Path, kinds: Sequence[Kind], *, text: str, translation: str) -> None:
    """Write the picture: a block for each kind, one below the other, with a row of heat maps per layer, one per head.

    The text and its translation stand above them. The file appears complete or not at all. Raises InputError if it
    cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sizes = [_size(kind.weights) for kind in kinds]
    width, height = max(width for width, _ in sizes), sum(height for _, height in sizes)
    shrink = min(1.0, LONGEST_SIDE / width, LONGEST_SIDE / height)
    lines = textwrap.wrap(f"{text} \N{RIGHTWARDS ARROW} {translation}", int(LETTERS_PER_INCH * shrink * width))
    title = "\n".join([*lines, "Each row is what one token looks at; it sums to 1 (white 0, dark blue 1)."])
    figure = Figure((shrink * width, shrink * height + 0.2 * (len(lines) + 1)), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10, color="0.25", parse_math=False)
    parts: Any = figure.subfigures(
        len(kinds), 1, height_ratios=[height for _, height in sizes], hspace=0.03, squeeze=False
    )
    for part, kind in zip(parts[:, 0], kinds, strict=True):
        _draw_block(part, kind)
    with warnings.catch_warnings(), atomic_write(path) as file:
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # scripts that the font lacks show as boxes
        figure.savefig(file, format="png")


def _size(weights: Array) -> tuple[float, float]:
    """Width and height of a block in inches."""
    L, H, queries, keys = weights.shape
    return BLANK + H * max(1.2, 0.16 * keys), BLANK + L * max(1.2, 0.16 * queries)


def _draw_block(part: Any, kind: Kind) -> None:
    queries, keys = ([token.label for token in tokens] for tokens in (kind.queries, kind.keys))
    L, H = kind.weights.shape[:2]
    axes = part.subplots(L, H, sharex=True, sharey=True, squeeze=False)
    for layer in range(L):
        for head in range(H):
            panel = axes[layer, head]
            panel.imshow(kind.weights[layer, head], cmap="Blues", vmin=0, vmax=1, aspect="auto")
            panel.set_title(f"layer {layer + 1}, head {head + 1}", fontsize=8)
            panel.set_xticks(range(len(keys)), keys, rotation=90, fontsize=7, parse_math=False)
            panel.set_yticks(range(len(queries)), queries, fontsize=7, parse_math=False)
            panel.tick_params(length=0)
            panel.spines[:].set_color("0.8")
    part.suptitle(f"{kind.title}: {kind.between}", fontsize=11)
