"""Training runs that take a second: a text of a few words, a model of a few numbers, everything else as in train.py."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import bpe
from numpy_transformer import Transformer, TransformerConfig
from numpy_transformer.terminal.display import PlainDisplay
from numpy_transformer.training import translation_task
from numpy_transformer.training.distributed.leading import Leader
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.training.texts import corpus_of
from numpy_transformer.training.trainer import Trainer

ENGLISH = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
GERMAN = ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
OPTIONS: dict[str, Any] = {
    "vocabulary": 280,
    "batch_tokens": 100,
    "warmup": 20,
    "dropout": 0.2,
    "evaluate_every": 4,
    "average": 2,
    "steps": 12,
    "workers": 1,
}


def numbers_in_words(count: int, seed: int = 0) -> list[str]:
    """`count` different lines of a .tsv file: English TAB German."""
    rng = random.Random(seed)
    lines: dict[str, None] = {}
    while len(lines) < count:
        digits = [rng.randrange(10) for _ in range(rng.randrange(2, 6))]
        lines[" ".join(ENGLISH[d] for d in digits) + "\t" + " ".join(GERMAN[d] for d in digits)] = None
    return list(lines)


def write_corpus(folder: Path, lines: Sequence[str] | None = None) -> Path:
    """A folder with train, valid and test."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = numbers_in_words(100) if lines is None else lines
    for name, part in (("train", lines[:80]), ("valid", lines[80:90]), ("test", lines[90:])):
        for column, language in enumerate(("en", "de")):
            text = "".join(line.split("\t")[column] + "\n" for line in part)
            (folder / f"{name}.{language}").write_text(text, encoding="utf-8", newline="")
    return folder


def smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every preset be a model of 8 numbers for a position."""

    def config(options: TrainingOptions, tokenizer: bpe.Tokenizer) -> TransformerConfig:
        return TransformerConfig(
            vocabulary_size=len(tokenizer),
            encoder_layers=1,
            decoder_layers=1,
            d_model=8,
            d_ff=12,
            heads=2,
            dropout=options.dropout,
            consistency=options.consistency,
        )

    monkeypatch.setattr(translation_task, "make_config", config)


def begun(path: Path, data: Path, leader: Leader | None = None, **changes: Any) -> Trainer:
    """A new run at step 0."""
    path.mkdir(parents=True, exist_ok=True)
    options = TrainingOptions(data=str(data), **{**OPTIONS, **changes})
    corpus = corpus_of(options)
    tokenizer = bpe.train([*corpus.train.sources, *corpus.train.targets], vocabulary_size=options.vocabulary)
    return Trainer.begin(options, corpus, tokenizer, RunFolder(path), PlainDisplay(), leader=leader)


def resumed(path: Path, leader: Leader | None = None) -> Trainer:
    """The run in the folder, from its state."""
    folder = RunFolder(path)
    options = folder.read_options()
    return Trainer.resume(options, corpus_of(options), folder, PlainDisplay(), leader=leader)


def write_model(path: Path) -> Path:
    """A run folder with a random model that can translate."""
    english = [line.split("\t")[0] for line in numbers_in_words(50)]
    tokenizer = bpe.train([*english, "the dog runs home"], vocabulary_size=280)
    config = TransformerConfig(
        vocabulary_size=len(tokenizer), encoder_layers=1, decoder_layers=1, d_model=16, d_ff=24, heads=2
    )
    Transformer(config, seed=0).save(path / "checkpoints" / "best.safetensors")
    tokenizer.save(path / "tokenizer.json")
    return path
