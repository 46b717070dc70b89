"""Attention weights as pictures: one heat map per layer and head, as PNG or as a self-contained HTML page."""

import html
import warnings
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import NamedTuple

from numpy_transformer.atomic import atomic_write
from numpy_transformer.backend import Array
from numpy_transformer.decoding.attention_weights import AttentionWeights
from numpy_transformer.errors import InputError

FORMATS = (".png", ".html")
LONGEST_SIDE = 60.0  # inches of a PNG, at 100 dots per inch
FAINTEST = 0.01  # weights below this are drawn as nothing, which keeps pages small


class AttentionMaps(NamedTuple):
    """The attention weights of a sentence and its translation, with readable tokens."""

    source: list[str]  # S
    target: list[str]  # T, eos included
    weights: AttentionWeights


class _Kind(NamedTuple):
    title: str
    explanation: str
    queries: Sequence[str]
    keys: Sequence[str]
    weights: Array  # (L, H, queries, keys)


def token_label(token: bytes) -> str:
    """A token's bytes as something to read: spaces become visible, bytes that are no text appear in hex."""
    text = token.decode("utf-8", errors="backslashreplace").replace(" ", "\N{LOWER ONE EIGHTH BLOCK}")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def check_format(path: str | Path) -> None:
    """Raises InputError unless `path` ends with .png or .html."""
    if Path(path).suffix.lower() not in FORMATS:
        raise InputError(f"{path}: attention is drawn as .png or .html: give a name that ends with one of these")


def save_attention(path: str | Path, maps: AttentionMaps) -> None:
    """Write the maps in the format that the name's ending says; the file appears whole or not at all.

    The PNG shows the cross-attention, the HTML page all three kinds. Raises InputError for another ending, or when
    the file cannot be written.
    """
    check_format(path)
    if Path(path).suffix.lower() == ".html":
        with atomic_write(path) as file:
            file.write(attention_page(maps).encode("utf-8"))
    else:
        _save_picture(path, maps)


def _save_picture(path: str | Path, maps: AttentionMaps) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    weights = maps.weights.cross
    L, H, T, S = weights.shape
    panel_width, panel_height = max(1.2, 0.17 * S), max(1.2, 0.17 * T)
    shrink = min(1.0, LONGEST_SIDE / (H * panel_width), LONGEST_SIDE / (L * panel_height))
    figure = Figure((2 + shrink * H * panel_width, 2 + shrink * L * panel_height), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.subplots(L, H, sharex=True, sharey=True, squeeze=False)
    for layer in range(L):
        for head in range(H):
            panel = axes[layer, head]
            panel.imshow(weights[layer, head], cmap="Blues", vmin=0, vmax=1, aspect="auto")
            panel.set_title(f"layer {layer + 1}, head {head + 1}", fontsize=8)
            panel.set_xticks(range(S), maps.source, rotation=90, fontsize=7, parse_math=False)
            panel.set_yticks(range(T), maps.target, fontsize=7, parse_math=False)
            panel.tick_params(length=0)
    figure.suptitle("Cross-attention: each row sums to 1 (white 0, dark blue 1)", fontsize=10)
    figure.supxlabel("source", fontsize=9)
    figure.supylabel("translation", fontsize=9)
    with warnings.catch_warnings(), atomic_write(path) as file:
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # scripts that the font lacks show as boxes
        figure.savefig(file, format="png")


def attention_page(maps: AttentionMaps) -> str:
    """An HTML page without any outside reference."""
    before_target = ["<bos>", *maps.target[:-1]]
    kinds = [
        _Kind(
            "Cross-attention",
            "Where in the source (columns) the decoder looks when it writes a token (rows).",
            maps.target,
            maps.source,
            maps.weights.cross,
        ),
        _Kind(
            "Encoder self-attention",
            "Which source tokens (columns) each source token (rows) gathers from.",
            maps.source,
            maps.source,
            maps.weights.encoder,
        ),
        _Kind(
            "Decoder self-attention",
            "Which earlier tokens (columns) the decoder looks back at when it writes a token (rows).",
            maps.target,
            before_target,
            maps.weights.decoder,
        ),
    ]
    template = Template(Path(__file__).with_name("attention.html").read_text(encoding="utf-8"))
    sections = "".join(_section(kind, is_open=index == 0) for index, kind in enumerate(kinds))
    return template.substitute(sections=sections)


def _section(kind: _Kind, *, is_open: bool) -> str:
    maps = "".join(
        f"<figure><figcaption>layer {layer}, head {head}</figcaption>{_svg(kind, weights)}</figure>"
        for layer, heads in enumerate(kind.weights, 1)
        for head, weights in enumerate(heads, 1)
    )
    columns = f"--heads: {kind.weights.shape[1]}"
    return (
        f"<details{' open' if is_open else ''}><summary>{kind.title}</summary><p>{kind.explanation}</p>"
        f'<div class="maps" style="{columns}">{maps}</div></details>\n'
    )


def _svg(kind: _Kind, weights: Array) -> str:
    """One heat map in units of one cell; hovering a cell names its tokens and weight."""
    rows, columns = len(kind.queries), len(kind.keys)
    left, top = (0.6 * max(map(len, labels)) + 0.5 for labels in (kind.queries, kind.keys))
    queries, keys = ([html.escape(label) for label in labels] for labels in (kind.queries, kind.keys))
    parts = [f'<svg viewBox="{-left:g} {-top:g} {left + columns:g} {top + rows:g}" role="img" ']
    parts.append(f'width="{16 * (left + columns):g}"><rect class="frame" width="{columns}" height="{rows}"/>')
    parts += [f'<text x="-0.3" y="{row + 0.7:g}" class="query">{label}</text>' for row, label in enumerate(queries)]
    for column, label in enumerate(keys):
        parts.append(f'<text transform="translate({column + 0.7:g} -0.3) rotate(-90)">{label}</text>')
    for row, query in enumerate(queries):
        for column, key in enumerate(keys):
            weight = float(weights[row, column])
            if weight >= FAINTEST:
                parts.append(
                    f'<rect x="{column}" y="{row}" width="1" height="1" fill-opacity="{weight:.3g}">'
                    f"<title>{query} \N{RIGHTWARDS ARROW} {key}: {weight:.2f}</title></rect>"
                )
    return "".join(parts) + "</svg>"
