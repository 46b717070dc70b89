"""Sounds as the trainer sees them: feature vectors in batches, word error rate of real decoding."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np

import bpe
from numpy_transformer.data.sound.audio_file import write_wav
from numpy_transformer.data.sound.features import features_of
from numpy_transformer.data.sound.sound_batches import (
    SoundBatch,
    TextIds,
    batches_of_epoch,
    epoch_parts,
    fixed_batches,
    training_batches,
)
from numpy_transformer.data.sound.sound_corpus import SoundCorpus, Utterance
from numpy_transformer.models.model import Model
from numpy_transformer.models.sound_transformer import SoundTransformer
from numpy_transformer.program import command
from numpy_transformer.storage.text_files import write_text
from numpy_transformer.tasks.transcription import Transcriber
from numpy_transformer.training.configuration import make_config
from numpy_transformer.training.evaluation import Evaluation
from numpy_transformer.training.largest_batch import largest_part
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.parallel import Steps
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.training.task import Task
from numpy_transformer.training.word_errors import WordErrors, word_errors

TEST_BEAM = 4
SAMPLES = 5  # of each group


class SoundTask(Task):
    """Sounds and what is said in them, for a SoundTransformer."""

    kind = SoundTransformer
    example = "training sound"

    def __init__(self, options: TrainingOptions, corpus: SoundCorpus, tokenizer: bpe.Tokenizer) -> None:
        self.options, self.corpus, self.tokenizer = options, corpus, tokenizer
        self.config = make_config(options, tokenizer, source_features=corpus.settings.size)
        self.ids = TextIds(tokenizer.encode, self.config.pad_id, self.config.bos_id, self.config.eos_id)
        first = corpus.plan(0)
        self.train_size = len(first)
        parts = epoch_parts(first, corpus.settings, options.batch_tokens, seed=options.seed, epoch=0)
        self._batches_per_epoch = len(parts)
        self.digests = corpus.digests()

    @property
    def batches_per_epoch(self) -> int:
        """How many batches the first epoch has; others have about as many."""
        return self._batches_per_epoch

    def batches(self, start: int) -> Iterator[tuple[int, SoundBatch]]:
        """(epoch, batch) without end, skipping the first `start`."""
        return training_batches(self.corpus, self.ids, self.options.batch_tokens, seed=self.options.seed, start=start)

    def largest_batch(self) -> SoundBatch:
        """The one of the longest sounds, usually."""
        corpus, options = self.corpus, self.options
        plans = corpus.plan(0)
        lengths = np.array([corpus.settings.positions(plan.length) for plan in plans])
        parts = epoch_parts(plans, corpus.settings, options.batch_tokens, seed=options.seed, epoch=0)
        batches = batches_of_epoch(corpus, self.ids, options.batch_tokens, seed=options.seed, epoch=0)
        return batches[largest_part(parts, (lengths,), self.config)]()

    def validation_batches(self) -> Sequence[SoundBatch]:
        """All validation sounds."""
        return self._validation_batches

    @cached_property
    def _validation_batches(self) -> list[SoundBatch]:
        sounds = [utterance for group in self.corpus.validation.values() for utterance in group]
        return fixed_batches(sounds, self.corpus, self.ids, self.options.batch_tokens)

    def evaluate(self, model: Model[Any], loss: float, workers: Steps) -> Evaluation:
        """Greedy transcripts of the validation sounds."""
        return self._judged(self.corpus.validation, model, workers, beam=1)

    def test(self, model: Model[Any], workers: Steps) -> Evaluation:
        """Transcripts of the test sounds by beam search."""
        result = self._judged(self.corpus.tests, model, workers, beam=TEST_BEAM)
        figures = {"set": "test", "beam": TEST_BEAM, **result.figures}
        said = result.said.replace("; ", "\n")
        return result._replace(figures=figures, said=said, title=f"test, {{}}, beam {TEST_BEAM}")

    def final_words(self) -> str:
        """What `test` does."""
        return f"transcribing {sum(map(len, self.corpus.tests.values())):,} test sounds"

    def try_it(self, run: str) -> str:
        """How the sound in the run's folder is transcribed, or any other."""
        return f"{command('translate')} --model {run} --audio {run}/sample.wav"

    def write_files(self, folder: RunFolder) -> None:
        """How the model hears, and a validation sound to try it with."""
        write_text(folder.features_file, json.dumps(asdict(self.corpus.settings), indent=2) + "\n")
        *_, group = self.corpus.validation.values()
        write_wav(folder.sample_file, group[0].samples, self.corpus.settings.rate)

    def _judged(
        self, groups: Mapping[str, Sequence[Utterance]], model: Model[Any], workers: Steps, *, beam: int
    ) -> Evaluation:
        """The word errors of each group; the figures of all together are the curve's."""
        assert isinstance(model, SoundTransformer)
        transcriber = Transcriber(model, self.tokenizer, self.corpus.settings)
        transcriber.pack()
        found: dict[str, WordErrors] = {}
        samples: list[str] = []
        for name, group in groups.items():
            texts = transcribe(transcriber, group, workers, beam=beam)
            found[name] = word_errors(texts, [utterance.text for utterance in group])
            wrong = [(u.text, text) for u, text in zip(group, texts, strict=True) if u.text != text]
            right = [(u.text, text) for u, text in zip(group, texts, strict=True) if u.text == text]
            samples += [f"{name}: {text} -> {heard}" for text, heard in [*wrong, *right][:SAMPLES]]
        errors, words = (sum(getattr(one, field) for one in found.values()) for field in ("errors", "words"))
        said = "; ".join(
            f"{name}: word error rate {one.rate:.2%}, exact {one.exact:.1%} of {len(groups[name]):,}"
            for name, one in found.items()
        )
        figures = {
            "word_error_rate": errors / max(1, words),
            "groups": {name: {"word_error_rate": one.rate, "exact": one.exact} for name, one in found.items()},
        }
        return Evaluation(figures, said, samples, example=samples[0] if samples else "")


def transcribe(transcriber: Transcriber, sounds: Sequence[Utterance], workers: Steps, *, beam: int) -> list[str]:
    """What is said in all sounds; each worker takes a part of them."""
    count = workers.workers

    def part(worker: int) -> list[str]:
        features = [features_of(sound.samples, transcriber.settings) for sound in sounds[worker::count]]
        return [transcript.text for transcript in transcriber.transcribe(features, beam=beam)]

    texts = [""] * len(sounds)
    for worker, found in enumerate(workers.map(part, range(count))):
        texts[worker::count] = found
    return texts
