"""An encoder fills in the masked words of a text, or says what class it is of."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import regex

from numpy_transformer.backend.arrays import to_host
from numpy_transformer.data.batching import padded
from numpy_transformer.data.clean_text import clean_text
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
        self.model, self.tokenizer = model, tokenizer

    def fill(self, text: str, *, guesses: int = 5) -> list[list[Guess]]:
        """For each [mask] in the text, the most probable tokens. Raises InputError for a text without one."""
        mask_id = mask_id_of(self.tokenizer)
        parts = MASKED.split(clean_text(text))
        if mask_id is None:
            raise InputError("this model has no token for a masked word: it fills in nothing")
        if len(parts) < 2:
            raise InputError(f"{text!r} has no [mask]: write one where a word is to be filled in")
        ids = self.tokenizer.encode(parts[0])
        for part in parts[1:]:
            ids = [*ids, mask_id, *self.tokenizer.encode(part)]
        row = self._row(ids)
        logits = to_host(self.model.word_logits(row[None]))[0]
        special = list(self.tokenizer.special_tokens.values())
        found = []
        for position in np.flatnonzero(row == mask_id):
            scores = logits[position].astype(np.float64)
            scores[special] = -np.inf  # a special token is no word
            probabilities = np.exp(scores - scores.max())
            probabilities /= probabilities.sum()
            best = np.argsort(-probabilities, kind="stable")[:guesses]
            found.append([Guess(self.tokenizer.decode([int(i)]), float(probabilities[i])) for i in best])
        return found

    def classify(self, texts: Sequence[str]) -> list[list[Guess]]:
        """For each text all classes, the most probable first. Raises InputError for a model without classes."""
        rows = [self._row(self.tokenizer.encode(clean_text(text))) for text in texts]
        probabilities = to_host(self.model.class_probabilities(padded(rows, self.model.config.pad_id)))
        return [
            [Guess(self.model.config.labels[i], float(row[i])) for i in np.argsort(-row, kind="stable")]
            for row in probabilities
        ]

    def _row(self, ids: Sequence[int]) -> Any:
        if not ids:
            raise InputError("the text is empty: give some words")
        return np.array([self.model.config.bos_id, *ids, self.model.config.eos_id])
