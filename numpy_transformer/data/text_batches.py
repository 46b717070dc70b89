"""Batches for the models of one stack: blocks of a stream, texts with masked words, texts with a class.

A decoder alone learns from one long stream of tokens, cut into blocks of the context's length. Every epoch cuts at
another offset and shuffles the blocks, as a function of (seed, epoch). An encoder alone learns from texts, padded and
batched by length like sentence pairs (epoch_order.py): some words are hidden, or each text has a class.

Masked words (Devlin et al. 2019): of the real tokens but the first, 15% are to be predicted. 80% of these are replaced
by <mask>, 10% by a random token, and 10% are kept, so that the model has to know every word it reads.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.batching import padded

MASKED, REPLACED, RANDOM = 0.15, 0.8, 0.1  # of all tokens; of the masked ones


class TextBatch(NamedTuple):
    """Rows of ids and what is to be predicted, as `loss_and_gradients` of LanguageModel and Encoder take them."""

    ids: Array  # (B, 1 + T) of a stream, else (B, T)
    targets: Array | None  # the words (B, T) at masked positions, the classes (B,), or None: the next tokens
    token_count: int  # predictions

    @property
    def inputs(self) -> tuple[Array, ...]:
        """The arguments of `loss_and_gradients`."""
        return (self.ids,) if self.targets is None else (self.ids, self.targets)

    @property
    def size(self) -> int:
        """Positions, padding included."""
        return self.ids.size

    def shards(self, parts: int, pad_id: int) -> "list[TextBatch]":
        """At most `parts` batches of neighbouring rows, of nearly equal size, each trimmed to its own length."""
        rows = np.array_split(np.arange(len(self.ids)), min(parts, len(self.ids)))
        return [self._rows(part, pad_id) for part in rows]

    def _rows(self, rows: Array, pad_id: int) -> "TextBatch":
        ids, targets = self.ids[rows], None if self.targets is None else self.targets[rows]
        width = max(1, int((ids != pad_id).sum(axis=1).max()))
        if targets is None:
            return TextBatch(ids[:, : max(2, width)], None, int((ids[:, 1:] != pad_id).sum()))
        if targets.ndim == 1:
            return TextBatch(ids[:, :width], targets, len(targets))
        return TextBatch(ids[:, :width], targets[:, :width], int((targets != pad_id).sum()))


def block_starts(length: int, context: int, *, seed: int | None, epoch: int = 0) -> Array:
    """Where the blocks of one epoch begin in a stream of `length` tokens; None: from the beginning, in order."""
    if seed is None:
        return np.arange(0, max(1, length - 1), context)
    rng = np.random.default_rng((seed, epoch))
    spare = (length - 1) % context
    whole = np.arange((length - 1) // context) * context + rng.integers(0, spare + 1)
    return rng.permutation(whole)


def block_batch(stream: Array, starts: Array, context: int, pad_id: int) -> TextBatch:
    """The blocks at `starts`, each with the token after it; the stream's last block may be shorter."""
    ids = padded([stream[start : start + context + 1] for start in starts], pad_id)
    return TextBatch(ids, None, int((ids[:, 1:] != pad_id).sum()))


def masked_batch(
    texts: Sequence[Array], rng: np.random.Generator, *, pad_id: int, mask_id: int, words: Array
) -> TextBatch:
    """Texts with masked words; `words` are the ids of which random ones are drawn. Each text has at least one."""
    ids = padded(texts, pad_id)
    B, T = ids.shape
    real = ids != pad_id
    real[:, 0] = False  # bos: the place of a text's own vector
    draws = np.where(real, rng.random((B, T)), 2.0)
    chosen = (draws < MASKED) | (draws == draws.min(axis=1, keepdims=True)) & real
    targets = np.where(chosen, ids, pad_id)
    fate = rng.random((B, T))
    random_words = words[rng.integers(0, len(words), (B, T))]
    ids = np.where(chosen & (fate < REPLACED), mask_id, ids)
    ids = np.where(chosen & (fate >= REPLACED) & (fate < REPLACED + RANDOM), random_words, ids)
    return TextBatch(ids, targets, int(chosen.sum()))
