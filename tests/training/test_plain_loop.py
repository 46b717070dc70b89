"""The plain loop and the trainer are the same training: all weights equal, bit for bit."""

import dataclasses
import random
from collections.abc import Sequence

import numpy as np
import pytest

import bpe
from numpy_transformer.data.batching import EncodedText, epoch_batches
from numpy_transformer.data.corpora import Corpus
from numpy_transformer.data.files import ParallelText
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.terminal.display import PlainDisplay
from numpy_transformer.training.configuration import make_config
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.plain_loop import train_plainly
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.training.trainer import Trainer

ENGLISH = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
GERMAN = ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
DROPOUT = {"dropout": 0.3, "attention_dropout": 0.2}
SIZES = {"batch_tokens": 100, "warmup": 5, "rate_scale": 0.5, "label_smoothing": 0.2, "seed": 3}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Numbers in words."""
    rng = random.Random(0)
    numbers = [[rng.randrange(10) for _ in range(rng.randrange(1, 6))] for _ in range(60)]

    def say(words: Sequence[str]) -> list[str]:
        return [" ".join(words[digit] for digit in number) for number in numbers]

    text = ParallelText(say(ENGLISH), say(GERMAN))
    few = ParallelText(text.sources[:4], text.targets[:4])
    return Corpus("numbers", "en", "de", text, few, few)


@pytest.fixture(scope="module")
def tokenizer(corpus: Corpus) -> bpe.Tokenizer:
    return bpe.train([*corpus.train.sources, *corpus.train.targets], vocabulary_size=290)


def plain_model(tokenizer: bpe.Tokenizer, options: TrainingOptions) -> Transformer:
    return Transformer(make_config(options, tokenizer), seed=options.seed)


def encoded(corpus: Corpus, tokenizer: bpe.Tokenizer, model: Transformer) -> EncodedText:
    sides = [tokenizer.encode_batch(side) for side in (corpus.train.sources, corpus.train.targets)]
    return EncodedText.from_ids(*sides, model.config)


def test_the_trainer_makes_the_same_epochs(tmp_path, corpus, tokenizer):
    options = TrainingOptions(**DROPOUT, **SIZES, workers=1, epochs=2, accumulate=1, evaluate_every=1000)
    trainer = Trainer.begin(options, corpus, tokenizer, RunFolder(tmp_path), PlainDisplay())
    assert trainer.run()
    model = plain_model(tokenizer, options)
    before = model.parameters.flat.copy()
    text = encoded(corpus, tokenizer, model)
    losses = train_plainly(model, text, epochs=2, **SIZES)
    assert len(losses) == 2 * len(epoch_batches(text, options.batch_tokens, seed=options.seed)) == trainer.progress.step
    assert losses[-1] < losses[0]
    assert not np.array_equal(model.parameters.flat, before)
    assert np.array_equal(model.parameters.flat, trainer.model.parameters.flat)


def test_the_trainer_makes_the_same_steps_in_two_sittings(tmp_path, corpus, tokenizer):
    """It evaluates and saves among its steps, stops, and is resumed: nothing of that changes a weight."""
    options = TrainingOptions(**DROPOUT, **SIZES, workers=1, steps=4, evaluate_every=3)
    model = plain_model(tokenizer, options)
    text = encoded(corpus, tokenizer, model)
    steps = len(train_plainly(model, text, epochs=1, **SIZES))
    assert steps > options.steps

    folder = RunFolder(tmp_path)
    assert Trainer.begin(options, corpus, tokenizer, folder, PlainDisplay()).run()
    resumed = Trainer.resume(dataclasses.replace(options, steps=steps), corpus, folder, PlainDisplay())
    assert resumed.progress.step == options.steps
    assert resumed.run()
    assert np.array_equal(model.parameters.flat, resumed.model.parameters.flat)


def test_another_seed_is_another_training(corpus, tokenizer):
    """So the dropout masks do matter to the weights that the tests above compare."""
    options = TrainingOptions(**DROPOUT, **SIZES)
    models = [plain_model(tokenizer, options) for _ in range(2)]
    for model, seed in zip(models, (3, 4), strict=True):
        train_plainly(model, encoded(corpus, tokenizer, model), epochs=1, **{**SIZES, "seed": seed})
    assert not np.array_equal(models[0].parameters.flat, models[1].parameters.flat)
