"""The small translator of the book: it learns part of the phrasebook in about a minute, once; all chapters share it.

translator = trained()               # trained on the first call, then read from docs/_build/minute
train_pairs, test_pairs = pairs()    # (English, German); no test sentence occurs in training, on either side
"""

import json
import time
from functools import cache
from pathlib import Path

import numpy as np

import bpe
import numpy_transformer as nt
from numpy_transformer.data.batching import EncodedText
from numpy_transformer.data.phrasebook import complex_constructions as complexes
from numpy_transformer.data.phrasebook import generate, questions
from numpy_transformer.data.phrasebook import noun_constructions as phrases
from numpy_transformer.data.phrasebook import verb_constructions as verbal
from numpy_transformer.storage.atomic import atomic_write
from numpy_transformer.training.plain_loop import train_plainly

FOLDER = Path(__file__).resolve().parents[1] / "_build" / "minute"
CONSTRUCTIONS = (  # eight of the phrasebook's 39: enough for word order to be a problem
    verbal.accusative,
    verbal.verb_second,
    verbal.perfect,
    verbal.modal,
    verbal.nicht,
    phrases.predicate,
    questions.yes_no,
    complexes.because,
)
TRAINING, TEST = 24_000, 200
VOCABULARY = 1000
EPOCHS, BATCH_TOKENS, WARMUP, RATE_SCALE = 10, 2048, 300, 1.0

Pair = tuple[str, str]


@cache
def pairs() -> tuple[list[Pair], list[Pair]]:
    """The pairs to learn from, and the held-out ones."""
    drawn = [(pair.source, pair.target) for pair in generate(TRAINING + TEST, seed=1, constructions=CONSTRUCTIONS)]
    test = drawn[:TEST]
    held_out = {text for pair in test for text in pair}
    return [pair for pair in drawn[TEST:] if not held_out & set(pair)], test


def configuration(vocabulary_size: int) -> nt.TransformerConfig:
    """Two layers on each side, 64 numbers per token, four heads."""
    return nt.TransformerConfig(
        vocabulary_size=vocabulary_size, encoder_layers=2, decoder_layers=2, d_model=64, d_ff=128, heads=4, dropout=0.0
    )


@cache
def trained() -> nt.Translator:
    """The translator. The first call trains it with the plain loop (training/plain_loop.py)."""
    model_file, tokenizer_file, losses_file = _files()
    if not losses_file.exists():
        _train()
    return nt.Translator(nt.Transformer.load(model_file), bpe.Tokenizer.load(tokenizer_file))


def losses() -> np.ndarray:
    """The loss of each step of its training."""
    trained()
    return np.array(json.loads(_files()[2].read_text(encoding="utf-8")))


def encoded(some: list[Pair], translator: nt.Translator) -> EncodedText:
    """Pairs as ids, for a model's loss."""
    sources, targets = zip(*some, strict=True)
    tokenizer = translator.tokenizer
    return EncodedText.from_ids(
        tokenizer.encode_batch(list(sources)), tokenizer.encode_batch(list(targets)), translator.model.config
    )


def _files() -> tuple[Path, Path, Path]:
    return FOLDER / "model.safetensors", FOLDER / "tokenizer.json", FOLDER / "losses.json"


def _train() -> None:
    model_file, tokenizer_file, losses_file = _files()
    FOLDER.mkdir(parents=True, exist_ok=True)
    training, _ = pairs()
    tokenizer = bpe.train([text for pair in training for text in pair], vocabulary_size=VOCABULARY)
    model = nt.Transformer(configuration(len(tokenizer)), seed=1)
    text = encoded(training, nt.Translator(model, tokenizer))
    found = train_plainly(
        model, text, epochs=EPOCHS, batch_tokens=BATCH_TOKENS, warmup=WARMUP, rate_scale=RATE_SCALE, seed=1
    )
    tokenizer.save(tokenizer_file)
    model.save(model_file)
    with atomic_write(losses_file) as file:  # last: where it is, the others are whole
        file.write(json.dumps([round(loss, 4) for loss in found]).encode())


if __name__ == "__main__":
    started = time.monotonic()
    translator = trained()
    _, test = pairs()
    right = sum(
        found == target for found, (_, target) in zip(translator.translate([s for s, _ in test]), test, strict=True)
    )
    print(f"{time.monotonic() - started:.0f} s, last loss {losses()[-1]:.3f}, {right} of {len(test)} exact")
