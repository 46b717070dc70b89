"""An encoder fills in the masked words of a text, or says what class it is of."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import regex

from numpy_transformer.backend.arrays import Array, to_host
from numpy_transformer.data.batching import padded
from numpy_transformer.data.clean_text import clean_text
from numpy_transformer.decoding.attention_maps import StackMaps
from numpy_transformer.decoding.attention_weights import stack_weights
from numpy_transformer.errors import InputError
from numpy_transformer.models.encoder_only import Encoder

MASKED = regex.compile(r" ?\[mask\]", regex.IGNORECASE)  # the space before a word belongs to its token
MASK_TOKENS = ("<mask>", "[MASK]")


def mask_id_of(tokenizer: Any) -> int | None:
    """The token that stands for a masked word, in our tokenizer or BERT's; None if there is none."""
    special_tokens = tokenizer.special_tokens
    return next((special_tokens[name] for name in MASK_TOKENS if name in special_tokens), None)


class Guess(NamedTuple):
    """A word, or a class, and how probable the model finds it."""

    text: str
    probability: float


class Reader:
    """An encoder and its tokenizer (a bpe.Tokenizer, or what has its methods)."""

    def __init__(self, model: Encoder, tokenizer: Any) -> None:
        self.model, self.tokenizer = model.quantised(), tokenizer

    def fill(self, text: str, *, guesses: int = 5) -> list[list[Guess]]:
        """For each [mask] in the text, the most probable tokens. Raises InputError for a text without one."""
        row = self._row(text)
        masked = np.flatnonzero(row == mask_id_of(self.tokenizer))
        if not masked.size:
            raise InputError(f"{text!r} has no [mask]: write one where a word is to be filled in")
        logits = to_host(self.model.word_logits(row[None]))[0]
        special = list(self.tokenizer.special_tokens.values())
        found = []
        for position in masked:
            scores = logits[position].astype(np.float64)
            scores[special] = -np.inf  # a special token is no word
            probabilities = np.exp(scores - scores.max())
            probabilities /= probabilities.sum()
            best = np.argsort(-probabilities, kind="stable")[:guesses]
            found.append([Guess(self.tokenizer.decode([int(i)]), float(probabilities[i])) for i in best])
        return found

    def classify(self, texts: Sequence[str]) -> list[list[Guess]]:
        """For each text all classes, the most probable first. Raises InputError for a model without classes."""
        rows = [self._row(text) for text in texts]
        probabilities = to_host(self.model.class_probabilities(padded(rows, self.model.config.pad_id)))
        return [
            [Guess(self.model.config.labels[i], float(row[i])) for i in np.argsort(-row, kind="stable")]
            for row in probabilities
        ]

    def attention(self, text: str) -> StackMaps:
        """What each token of the text looks at; [mask] stands for a masked word."""
        row = self._row(text)
        tokens = [self.tokenizer.vocabulary[token] for token in row.tolist()]
        return StackMaps(tokens, stack_weights(self.model, row.tolist()), looks_back=False)

    def _row(self, text: str) -> Array:
        """The ids of a text between bos and eos. Raises InputError for an empty text, or a [mask] without a token."""
        mask_id, parts = mask_id_of(self.tokenizer), MASKED.split(clean_text(text))
        if mask_id is None and len(parts) > 1:
            raise InputError("this model has no token for a masked word: it fills in nothing")
        ids = self.tokenizer.encode(parts[0])
        for part in parts[1:]:
            ids = [*ids, mask_id, *self.tokenizer.encode(part)]
        if not ids:
            raise InputError("the text is empty: give some words")
        return np.array([self.model.config.bos_id, *ids, self.model.config.eos_id])
