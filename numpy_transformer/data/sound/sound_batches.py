"""Sounds as padded batches of feature vectors, with the ids of their texts.

A position of padding is a vector of zeros, as in models/source.py; no sound has one: silence is -2.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.batching import in_epochs, padded
from numpy_transformer.data.epoch_order import batches_by_length
from numpy_transformer.data.sound.augmentation import masked
from numpy_transformer.data.sound.features import FeatureSettings, features_of, log_mel, stack_frames
from numpy_transformer.data.sound.sound_corpus import PlannedSound, SoundCorpus, Utterance


class SoundBatch(NamedTuple):
    """What a SoundTransformer's `loss_and_gradients` takes; a target row is bos, the text, eos."""

    source: Array  # (B, S, F) float32, zeros in the padding
    target: Array  # (B, 1 + T)
    token_count: int  # real target tokens to predict

    @property
    def inputs(self) -> tuple[Array, ...]:
        """The arguments of `loss_and_gradients`."""
        return self.source, self.target

    @property
    def size(self) -> int:
        """Positions of the longer side, padding included."""
        B, S = self.source.shape[:2]
        return B * max(S, self.target.shape[1] - 1)

    def shards(self, parts: int, pad_id: int) -> "list[SoundBatch]":
        """At most `parts` batches of neighbouring sounds, of nearly equal size, each trimmed to its own lengths."""
        rows = np.array_split(np.arange(len(self.source)), min(parts, len(self.source)))
        return [self._rows(part, pad_id) for part in rows]

    def _rows(self, rows: Array, pad_id: int) -> "SoundBatch":
        source, target = self.source[rows], self.target[rows]
        S = int((source != 0).any(axis=2).sum(axis=1).max())
        T = int((target != pad_id).sum(axis=1).max())
        return SoundBatch(source[:, :S], target[:, :T], int((target[:, 1:] != pad_id).sum()))


class TextIds(NamedTuple):
    """How texts become targets."""

    encode: Callable[[str], list[int]]
    pad_id: int
    bos_id: int
    eos_id: int

    def row(self, text: str) -> Array:
        """bos, the text, eos."""
        return np.array([self.bos_id, *self.encode(text), self.eos_id], dtype=np.int32)


def padded_features(features: Sequence[Array]) -> Array:
    """Sequences (S, F) of several lengths as one array (B, longest, F), zeros at the end."""
    source = np.zeros((len(features), max(map(len, features)), features[0].shape[1]), dtype=np.float32)
    for row, vectors in zip(source, features, strict=True):
        row[: len(vectors)] = vectors
    return source


def make_batch(features: Sequence[Array], texts: Sequence[str], ids: TextIds) -> SoundBatch:
    """The sounds with these features and texts."""
    target = padded([ids.row(text) for text in texts], ids.pad_id)
    return SoundBatch(padded_features(features), target, int((target[:, 1:] != ids.pad_id).sum()))


def fixed_batches(utterances: Sequence[Utterance], corpus: SoundCorpus, ids: TextIds, size: int) -> list[SoundBatch]:
    """All utterances, sorted by length, in batches of at most `size` positions."""
    lengths = np.array([corpus.settings.positions(len(utterance.samples)) for utterance in utterances])
    return [
        make_batch(
            [features_of(utterances[i].samples, corpus.settings) for i in part], [utterances[i].text for i in part], ids
        )
        for part in batches_by_length([lengths], size, seed=None)
    ]


def epoch_parts(
    plans: Sequence[PlannedSound], settings: FeatureSettings, size: int, *, seed: int, epoch: int
) -> list[Array]:
    """The numbers of the sounds of each batch of one epoch, shuffled."""
    lengths = np.array([settings.positions(plan.length) for plan in plans])
    return batches_by_length([lengths], size, seed=seed, epoch=epoch)


def training_batches(
    corpus: SoundCorpus, ids: TextIds, size: int, *, seed: int, start: int
) -> Iterator[tuple[int, SoundBatch]]:
    """(epoch, batch) without end, skipping the first `start`; the sounds are made, and masked, when they are needed."""
    return in_epochs(lambda epoch: batches_of_epoch(corpus, ids, size, seed=seed, epoch=epoch), start)


def batches_of_epoch(
    corpus: SoundCorpus, ids: TextIds, size: int, *, seed: int, epoch: int
) -> list[Callable[[], SoundBatch]]:
    """What makes each batch, in the order of `epoch_parts`."""

    def heard(plans: Sequence[PlannedSound], part: Array, key: tuple[int, int]) -> SoundBatch:
        features = [
            stack_frames(
                masked(
                    log_mel(plans[i].make(), corpus.settings), np.random.default_rng((*key, int(i), 2)), corpus.settings
                ),
                corpus.settings,
            )
            for i in part
        ]
        return make_batch(features, [plans[i].text for i in part], ids)

    plans = corpus.plan(epoch)
    parts = epoch_parts(plans, corpus.settings, size, seed=seed, epoch=epoch)
    return [partial(heard, plans, part, (seed, epoch)) for part in parts]
