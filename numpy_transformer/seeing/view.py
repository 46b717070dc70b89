"""What the page shows, as plain lists and numbers for JSON.

    {"text", "translation",
     "attention": [{"title", "explanation", "queries", "keys", "weights"}, ...],   cross, encoder, decoder
     "search": Story as a dict, or null for a translation without a search}

queries and keys are lists of {"label", "text", "group"}: a token with every sign visible (bpe.show.visible), what it
adds to the text of its word, and which word that is. weights[layer][head][query][key] are thousandths.
"""

from dataclasses import asdict
from typing import Any

from numpy_transformer.decoding.attention_maps import AttentionMaps, StackMaps
from numpy_transformer.seeing.kinds import Kind, kinds_of
from numpy_transformer.seeing.story import Story


def view(text: str, translation: str, maps: AttentionMaps | StackMaps, story: Story | None) -> dict[str, Any]:
    """The arguments of `showAttention` (attention.js) and `showSearch` (search.js).

    Where a model completes or reads a text, `translation` is what it added or found.
    """
    return {
        "text": text,
        "translation": translation,
        "attention": [_as_json(kind) for kind in kinds_of(maps)],
        "search": None if story is None else asdict(story),
    }


def _as_json(kind: Kind) -> dict[str, Any]:
    return {
        "title": kind.title,
        "explanation": kind.explanation,
        "queries": [token._asdict() for token in kind.queries],
        "keys": [token._asdict() for token in kind.keys],
        "weights": (1000 * kind.weights).round().astype(int).tolist(),
    }
