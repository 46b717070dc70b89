"""The architecture as a picture, drawn from a real model's tree of parameters: shapes, counts, links to chapters."""

import math
from html import escape
from typing import Any

from IPython.display import HTML

from docs.bookshelf.figures import BLUE, GREEN, GREY, ORANGE, framed
from numpy_transformer.layers.parameters import map_tree

# Which chapter and which file explain a part, by the last word of its path.
CHAPTERS = {
    "embedding": ("08_embeddings", "layers/embedding.py"),
    "self_attention": ("10_many_heads", "layers/multi_head_attention.py"),
    "cross_attention": ("13_decoder", "layers/multi_head_attention.py"),
    "feed_forward": ("12_encoder", "layers/feed_forward.py"),
    "norm": ("11_residual_and_norm", "layers/layer_norm.py"),
    "loss": ("14_loss", "layers/output_loss.py"),
}
COLOURS = {"embedding": GREY, "self_attention": BLUE, "cross_attention": ORANGE, "feed_forward": GREEN, "norm": GREY}
WIDTH, HEIGHT, GAP, LEFT = 214, 44, 8, 8


def draw(model: Any, *, links: str = "../book/{}.html") -> HTML:
    """Encoder on the left, decoder on the right, the embedding below and the loss on top; one box per sub-layer."""
    tree = model.parameters.tree
    columns = []
    for stack in ("encoder", "decoder"):
        boxes = [
            (
                f"{stack} {number}: {'norm' if name.endswith('norm') else name.replace('_', '-')}",
                name,
                getattr(layer, name),
            )
            for number, layer in enumerate(getattr(tree, stack), 1)
            for name in layer._fields
        ]
        columns.append(boxes)
    rows = max(map(len, columns))
    height = (rows + 2) * (HEIGHT + GAP) + 24
    parts = []
    for column, boxes in enumerate(columns):
        x = LEFT + column * (WIDTH + 24)
        for row, (title, name, parameters) in enumerate(boxes):
            y = height - (row + 2) * (HEIGHT + GAP)
            kind = "norm" if name.endswith("norm") else name
            parts.append(_box(x, y, title, parameters, kind, links))
    y = height - HEIGHT - GAP
    parts.append(_box(LEFT, y, "source embedding", tree.embedding, "embedding", links))
    parts.append(_box(LEFT + WIDTH + 24, y, "target embedding", (), "embedding", links, "the same table"))
    parts.append(_box(LEFT + WIDTH + 24, 8, "output projection and loss", (), "loss", links, "the table, transposed"))
    total = f"{model.parameters.flat.size:,} parameters in all"
    parts.append(f'<text x="{LEFT}" y="26" font-weight="600">{total}</text>')
    width = 2 * WIDTH + 24 + 2 * LEFT
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" viewBox="0 0 {width} {height}" '
        f'font-family="system-ui, sans-serif" font-size="14.5" fill="currentColor">{"".join(parts)}</svg>'
    )
    return framed(svg, f"The architecture of the model, from below: {total}")


def _box(x: int, y: int, title: str, parameters: Any, kind: str, links: str, below: str = "") -> str:
    shapes: list[tuple[int, ...]] = []
    map_tree(lambda _, leaf: shapes.append(leaf.shape), parameters)
    count = sum(map(math.prod, shapes))
    matrices = [shape for shape in shapes if len(shape) == 2] or shapes[:1]
    text = below or " ".join("×".join(map(str, shape)) for shape in matrices) + (f"  ·  {count:,}" if count else "")
    chapter, file = CHAPTERS.get(kind, CHAPTERS["norm"])
    colour = COLOURS.get(kind, ORANGE)
    return (
        f'<a href="{links.format(chapter)}"><title>{escape(file)}</title>'
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="6" fill="{colour}" fill-opacity=".16" '
        f'stroke="{colour}" stroke-width="1.4"/>'
        f'<text x="{x + 10}" y="{y + 18}">{escape(title)}</text>'
        f'<text x="{x + 10}" y="{y + 35}" font-size="13" opacity=".8">{escape(text)}</text></a>'
    )
