"""From sound to text: a model that hears, its tokenizer, and how it hears."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

import bpe
from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.batching import LONGEST_SOURCE
from numpy_transformer.data.sound.audio_file import read_samples
from numpy_transformer.data.sound.features import FeatureSettings, log_mel, stack_frames
from numpy_transformer.data.sound.sound_batches import padded_features
from numpy_transformer.decoding.alignment import attended
from numpy_transformer.decoding.beam import beam_search
from numpy_transformer.decoding.packed import PackedModel
from numpy_transformer.decoding.scoring import Decoded
from numpy_transformer.errors import InputError
from numpy_transformer.models.sound_transformer import SoundTransformer
from numpy_transformer.storage.run_files import run_of
from numpy_transformer.tasks.opening import open_sound_model

ROWS = 64  # sounds that are decoded at once
SPARE_TOKENS = 5  # a text may have one token for each position of its sound, and so many more


class Sound(NamedTuple):
    """What a model hears of a file."""

    spectrogram: Array  # (frames, pitches)
    features: Array  # (S, F), its frames stacked


class Transcript(NamedTuple):
    """What a model understood."""

    text: str
    ids: list[int]  # without bos and eos
    score: float  # log-probability, divided by the length penalty


class Transcriber:
    """A SoundTransformer and what belongs to it. It sees later changes of the model's parameters until `pack`."""

    def __init__(self, model: SoundTransformer, tokenizer: bpe.Tokenizer, settings: FeatureSettings) -> None:
        """Raises InputError if the model hears other features than the settings describe."""
        if model.config.source_features != settings.size:
            raise InputError(
                f"the model hears vectors of {model.config.source_features} numbers, not of {settings.size}: "
                "take model and features.json from the same run"
            )
        self.model, self.tokenizer, self.settings = model, tokenizer, settings
        self._searched: SoundTransformer | PackedModel = model

    @classmethod
    def load(cls, path: str | Path, *, device: str = "cpu") -> Self:
        """From a run folder or a checkpoint file of one. Raises InputError naming the file and the remedy."""
        model, tokenizer = open_sound_model(path, device=device)
        return cls(model, tokenizer, FeatureSettings.read(run_of(path).features_file))

    def pack(self) -> None:
        """Prepare the weights for many searches: later changes of the model are not seen."""
        self._searched = PackedModel(self.model)

    @property
    def longest(self) -> float:
        """Seconds of sound that a model takes."""
        return LONGEST_SOURCE * self.settings.seconds

    def read(self, file: str | Path) -> Sound:
        """What is heard of a sound file. Raises InputError naming it if it is none, too long, or silent."""
        spectrogram = log_mel(read_samples(file, self.settings.rate, longest=self.longest), self.settings)
        return Sound(spectrogram, stack_frames(spectrogram, self.settings))

    def transcribe(self, features: Sequence[Array], *, beam: int = 4, alpha: float = 0.6) -> list[Transcript]:
        """What is said in each sound, by beam search; sounds are given as features."""
        found = []
        for start in range(0, len(features), ROWS):
            some = features[start : start + ROWS]
            limits = np.array([len(vectors) + SPARE_TOKENS for vectors in some])
            results = beam_search(self._searched, padded_features(some), limits=limits, beam=beam, alpha=alpha)
            found += [self._transcript(best) for [best, *_] in results]
        return found

    def words(self, transcript: Transcript) -> list[str]:
        """The text of each of its tokens, and of eos."""
        return [*(self.tokenizer.decode([i]).strip() for i in transcript.ids), "<eos>"]

    def _transcript(self, decoded: Decoded) -> Transcript:
        return Transcript(self.tokenizer.decode(decoded.ids).strip(), decoded.ids, decoded.score)

    def attention(self, features: Array, ids: Sequence[int]) -> Array:
        """(T, S): how much each token of a transcript, eos the last, looks at each position of the sound."""
        target = np.array([[*ids, self.model.config.eos_id]])
        return attended([self.model], padded_features([features]), target)[0]
