"""Sentence pairs as padded batches of ids. Which pairs stand together, and in which order: epoch_order.py."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.epoch_order import batches_by_length
from numpy_transformer.data.id_rows import IdRows
from numpy_transformer.models.config import TransformerConfig

Item = TypeVar("Item")

LONGEST_SOURCE = 1000  # tokens; time and memory of attention grow with the square


class TrainingBatch(Protocol):
    """What a training step asks of a batch, whatever the model learns."""

    @property
    def token_count(self) -> int:
        """Predictions, over which loss and gradient are averaged."""

    @property
    def inputs(self) -> tuple[Array, ...]:
        """The arguments of the model's `loss_and_gradients`."""

    @property
    def size(self) -> int:
        """Positions, padding included: what --batch-tokens bounds."""

    def shards(self, parts: int, pad_id: int) -> "Sequence[TrainingBatch]":
        """At most `parts` batches that together are this one."""


class Batch(NamedTuple):
    """Padded ids. A source row is the sentence, then eos; a target row is bos, the sentence, then eos."""

    source: Array  # (B, S)
    target: Array  # (B, 1 + T)
    token_count: int  # real target tokens to predict: the words and eos, not bos, not padding

    @property
    def inputs(self) -> tuple[Array, ...]:
        """What a Transformer's `loss_and_gradients` takes."""
        return self.source, self.target

    @property
    def size(self) -> int:
        """Positions of the longer side, padding included."""
        return max(self.source.size, self.target[:, 1:].size)

    def shards(self, parts: int, pad_id: int) -> "list[Batch]":
        """At most `parts` batches of neighbouring rows, of nearly equal size, each trimmed to its own lengths."""
        rows = np.array_split(np.arange(len(self.source)), min(parts, len(self.source)))
        return [_trimmed(self.source[part], self.target[part], pad_id) for part in rows]


def _trimmed(source: Array, target: Array, pad_id: int) -> Batch:
    def trim(ids: Array) -> Array:
        used = np.flatnonzero((ids != pad_id).any(axis=0))  # not counted: in a Marian model bos is pad, too
        return ids[:, : used[-1] + 1 if len(used) else 1]

    return Batch(trim(source), trim(target), int((target[:, 1:] != pad_id).sum()))


def padded(rows: Sequence[Array], pad_id: int) -> Array:
    """Id sequences of several lengths as one (B, longest) array, padded at the end."""
    ids = np.full((len(rows), max(map(len, rows))), pad_id, dtype=np.intp)
    for row, values in zip(ids, rows, strict=True):
        row[: len(values)] = values
    return ids


@dataclass(frozen=True)
class EncodedText:
    """Sentence pairs as ids: the source ends with eos; the target begins with bos and ends with eos."""

    sources: IdRows
    targets: IdRows
    known_digest: str | None = None  # of rows in a file, where it was computed when the file was opened

    @classmethod
    def from_ids(
        cls, sources: Iterable[Sequence[int]], targets: Iterable[Sequence[int]], config: TransformerConfig
    ) -> "EncodedText":
        """From a tokenizer's output, which has only the sentence."""
        bos, eos = config.bos_id, config.eos_id
        return cls(IdRows.of([*ids, eos] for ids in sources), IdRows.of([bos, *ids, eos] for ids in targets))

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def lengths(self) -> tuple[Array, Array]:
        """Of each pair, the source's tokens and the target's predictions: what an epoch's order depends on."""
        return self.sources.lengths, self.targets.lengths - 1  # bos is not predicted

    def digest(self) -> str:
        """A SHA-256 of all ids and lengths, by which a resumed run recognizes its text."""
        if self.known_digest is not None:
            return self.known_digest
        sha = hashlib.sha256()
        for part in chain(self.sources.digested(), self.targets.digested()):
            sha.update(part)
        return sha.hexdigest()

    def batch(self, indices: Array, pad_id: int) -> Batch:
        """The pairs at `indices`, padded."""
        source = padded([self.sources[i] for i in indices], pad_id)
        target = padded([self.targets[i] for i in indices], pad_id)
        return Batch(source, target, int((target[:, 1:] != pad_id).sum()))


def epoch_batches(text: EncodedText, batch_tokens: int, *, seed: int | None, epoch: int = 0) -> list[Array]:
    """The indices of each batch of one epoch, sorted by target length, then by source length (epoch_order.py).

    `batch_tokens` bounds a batch's padded target positions, and its padded source positions too.
    """
    return batches_by_length(text.lengths, batch_tokens, seed=seed, epoch=epoch)


def training_batches(
    text: EncodedText, batch_tokens: int, *, pad_id: int, seed: int, start: int = 0
) -> Iterator[tuple[int, Batch]]:
    """(epoch, batch) without end, skipping the first `start` batches.

    A batch is prepared when it is needed. That takes a thousandth of its step (docs/performance.md), too little for a
    thread that works ahead to save time.
    """

    def batches_of(epoch: int) -> list[Callable[[], Batch]]:
        batches = epoch_batches(text, batch_tokens, seed=seed, epoch=epoch)
        return [partial(text.batch, indices, pad_id) for indices in batches]

    return in_epochs(batches_of, start)


def in_epochs(batches_of: Callable[[int], Sequence[Callable[[], Item]]], start: int) -> Iterator[tuple[int, Item]]:
    """(epoch, batch) without end, skipping the first `start` batches; `batches_of` an epoch makes each when called."""
    for epoch in count():
        batches = batches_of(epoch)
        for make in batches[start:]:
            yield epoch, make()
        start = max(0, start - len(batches))
