"""What the page shows, as plain lists and numbers for JSON.

    {"text", "translation",
     "attention": [{"title", "explanation", "queries", "keys", "weights"}, ...],   cross, encoder, decoder
     "search": Story as a dict, or null for a translation without a search}

queries and keys are lists of {"label", "text", "group"}: a token with every sign visible (bpe.show.visible), what it
adds to the text of its word, and which word that is. weights[layer][head][query][key] are thousandths.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bpe.show import visible
from numpy_transformer.backend.arrays import Array
from numpy_transformer.decoding.attention_maps import AttentionMaps, token_groups, token_texts
from numpy_transformer.seeing.story import Story

BOS = "<bos>"


def view(text: str, translation: str, maps: AttentionMaps, story: Story | None) -> dict[str, Any]:
    """The arguments of `showAttention` (attention.js) and `showSearch` (search.js)."""
    source, target = _tokens(maps.source), _tokens(maps.target)
    before_target = [{"label": BOS, "text": BOS, "group": -1}, *target[:-1]]
    attention = [
        _kind(
            "Cross-attention",
            "Where in the source the decoder looks when it writes a token.",
            target,
            source,
            maps.weights.cross,
        ),
        _kind(
            "Encoder self-attention",
            "Which tokens of the source each of its tokens gathers information from, to find its meaning in context.",
            source,
            source,
            maps.weights.encoder,
        ),
        _kind(
            "Decoder self-attention",
            "Which of its own tokens the decoder looks back at when it writes the next one. It never looks ahead.",
            target,
            before_target,
            maps.weights.decoder,
        ),
    ]
    return {
        "text": text,
        "translation": translation,
        "attention": attention,
        "search": None if story is None else asdict(story),
    }


def _tokens(tokens: Sequence[bytes]) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = []
    for token, text, group in zip(tokens, token_texts(tokens), token_groups(tokens), strict=True):
        if not shown or shown[-1]["group"] != group:
            text = text.removeprefix(" ")  # words stand apart: the space before one needs no sign
        shown.append({"label": visible(token), "text": visible(text.encode()), "group": group})
    return shown


def _kind(
    title: str, explanation: str, queries: list[dict[str, Any]], keys: list[dict[str, Any]], weights: Array
) -> dict[str, Any]:
    return {
        "title": title,
        "explanation": explanation,
        "queries": queries,
        "keys": keys,
        "weights": (1000 * weights).round().astype(int).tolist(),
    }
