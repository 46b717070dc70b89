"""What a model learns from: sounds, each with its text. A training sound is planned first and made when it is needed.

Batches are cut by length, so the length must be known before the sound is; joining recordings and adding noise can
wait until the batch is trained on, and then need not be kept.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.sound.features import FeatureSettings


class Utterance(NamedTuple):
    """A sound and what is said in it."""

    samples: Array  # (n,) float32
    text: str  # words, separated by spaces


class PlannedSound(NamedTuple):
    """A training sound before it is made."""

    length: int  # samples
    text: str
    make: Callable[[], Array]  # -> (length,); the same sound each time


@dataclass(frozen=True)
class SoundCorpus:
    """Sounds for training, validation and test. Validation and tests are in groups, which are reported separately.

    `plan` is a function of the epoch. No recording of one part occurs in another. `words` are all that texts may hold.
    """

    name: str
    settings: FeatureSettings
    words: tuple[str, ...]
    plan: Callable[[int], Sequence[PlannedSound]]
    validation: Mapping[str, Sequence[Utterance]]
    tests: Mapping[str, Sequence[Utterance]]
    notes: tuple[str, ...] = ()

    def digests(self) -> dict[str, str]:
        """By part: by which a resumed run recognizes its sounds. Of the training sounds, one in 16 is made for it."""
        training = [Utterance(planned.make(), planned.text) for planned in self.plan(0)[::16]]
        valid, test = ([u for group in part.values() for u in group] for part in (self.validation, self.tests))
        return {
            "training sounds": digest_of(training),
            "validation sounds": digest_of(valid),
            "test sounds": digest_of(test),
        }


def digest_of(utterances: Sequence[Utterance]) -> str:
    """A SHA-256 of sounds and texts."""
    sha = hashlib.sha256()
    for samples, text in utterances:
        sha.update(f"{len(samples)} {text}\n".encode())
        sha.update(samples.tobytes())
    return sha.hexdigest()
