"""The kinds of attention that a model has: between which tokens, how much, and what that means in words."""

from collections.abc import Sequence
from typing import NamedTuple

from bpe.show import visible
from numpy_transformer.backend.arrays import Array
from numpy_transformer.decoding.attention_maps import AttentionMaps, StackMaps, token_groups, token_texts


class ShownToken(NamedTuple):
    """A token as people can read it."""

    label: str  # every sign visible (bpe.show.visible)
    text: str  # what it adds to the text of its word
    group: int  # which word that is


class Kind(NamedTuple):
    """One kind of attention; row q of a head's weights is what query q looks at."""

    title: str
    between: str  # in few words
    explanation: str
    queries: list[ShownToken]
    keys: list[ShownToken]
    weights: Array  # (L, H, queries, keys)


BOS = ShownToken("<bos>", "<bos>", -1)


def kinds_of(maps: AttentionMaps | StackMaps) -> list[Kind]:
    """Three kinds for a translation, the one that says most first; one for a text."""
    if isinstance(maps, StackMaps):
        tokens = shown_tokens(maps.tokens)
        if maps.looks_back:
            explanation = "Which tokens before it the model looks back at when it writes one. It never looks ahead."
            # The first token is given, and what comes after the last one is not known.
            return [
                Kind("Self-attention", "within the text", explanation, tokens[1:], tokens[:-1], _inner(maps.weights))
            ]
        explanation = "Which tokens of the text each of its tokens gathers information from, before and behind it."
        return [Kind("Self-attention", "within the text", explanation, tokens, tokens, maps.weights)]
    source, target = shown_tokens(maps.source), shown_tokens(maps.target)
    return [
        Kind(
            "Cross-attention",
            "from translation to source",
            "Where in the source the decoder looks when it writes a token.",
            target,
            source,
            maps.weights.cross,
        ),
        Kind(
            "Encoder self-attention",
            "within the source",
            "Which tokens of the source each of its tokens gathers information from, to find its meaning in context.",
            source,
            source,
            maps.weights.encoder,
        ),
        Kind(
            "Decoder self-attention",
            "within the translation",
            "Which of its own tokens the decoder looks back at when it writes the next one. It never looks ahead.",
            target,
            [BOS, *target[:-1]],
            maps.weights.decoder,
        ),
    ]


def shown_tokens(tokens: Sequence[bytes]) -> list[ShownToken]:
    """The tokens of a text as they are shown."""
    shown: list[ShownToken] = []
    for token, text, group in zip(tokens, token_texts(tokens), token_groups(tokens), strict=True):
        if not shown or shown[-1].group != group:
            text = text.removeprefix(" ")  # words stand apart: the space before one needs no sign
        shown.append(ShownToken(visible(token), visible(text.encode()), group))
    return shown


def _inner(weights: Array) -> Array:
    """Without the last query and the last key, which no query before it sees."""
    return weights[:, :, :-1, :-1]
