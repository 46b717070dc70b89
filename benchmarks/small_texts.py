"""Are the options that follow from a text's size good ones? Texts of several sizes, each with other options as well.

    python benchmarks/small_texts.py TRAIN.tsv VALID.tsv [--pairs 100 300 ...] [--tokens N] [--change NAME ...]

For each size the first row has the options that train.py would choose (training/own_text.py); each further row changes
one of them. All rows of a size train on the same pairs, drawn from TRAIN, for the same number of target tokens, not
seconds, so a busy machine gives the same table. A row counts with its lowest validation loss; it ends early once it
overfits. The loss is in nats per character of the target, because a token of another vocabulary is another unit. One
thread: run several sizes at once on several cores.
"""

import argparse
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import bpe
from numpy_transformer.data.batching import EncodedText, epoch_batches
from numpy_transformer.data.encoding import prepare_text
from numpy_transformer.data.files import ParallelText, read_tsv
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.configuration import make_config
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.own_text import suited
from numpy_transformer.training.schedule import learning_rate

VALIDATION = 300  # pairs
EVALUATIONS = 20  # in the whole budget; of a small text, one every two epochs
FEWEST_BETWEEN = 8_000  # tokens from one evaluation to the next
PATIENCE = 3  # evaluations, each two percent above the best one
ADDED_TOKENS = 259  # of every vocabulary: bytes and special tokens


class Result(NamedTuple):
    """The lowest validation loss of one setting, and when it was reached."""

    vocabulary: int
    per_character: float  # nats
    per_token: float
    tokens: int  # of training until then
    epochs: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", metavar="TRAIN.tsv")
    parser.add_argument("valid", metavar="VALID.tsv")
    parser.add_argument("--pairs", type=int, nargs="+", default=[100, 300, 1_000, 3_000, 10_000, 30_000, 100_000])
    parser.add_argument("--tokens", type=int, default=2_500_000, help="target tokens each row may train on")
    parser.add_argument("--change", nargs="+", metavar="NAME", help="only these rows, beside the default (all)")
    options = parser.parse_args()

    from threadpoolctl import threadpool_limits

    text, valid = read_tsv(options.train), read_tsv(options.valid)
    valid = part(valid, VALIDATION)
    print("pairs    changed                     vocabulary  nats/character  nats/token   tokens  epochs", flush=True)
    with threadpool_limits(1, user_api="blas"):
        for pairs in options.pairs:
            results: dict[str, float] = {}
            sample = part(text, pairs)
            for change, setting in settings(sample):
                if options.change and change not in ("default", *options.change):
                    continue
                found = train(sample, valid, setting, budget=options.tokens)
                results[change] = found.per_character
                print(
                    f"{pairs:<8} {change:<28}{found.vocabulary:>9}{found.per_character:>16.4f}{found.per_token:>12.3f}"
                    f"{found.tokens:>9}{found.epochs:>8.1f}",
                    flush=True,
                )
            best = min(results, key=lambda change: results[change])
            above = next(iter(results.values())) / results[best] - 1
            print(f"{pairs:<8} best: {best}; the default is {above:.1%} above it\n", flush=True)


def part(text: ParallelText, count: int) -> ParallelText:
    """`count` of the pairs, the same ones each time."""
    chosen = sorted(random.Random(0).sample(range(len(text)), min(count, len(text))))
    return ParallelText([text.sources[i] for i in chosen], [text.targets[i] for i in chosen])


def settings(text: ParallelText) -> Iterator[tuple[str, TrainingOptions]]:
    """(what is changed, the options): first what suits the text, then one change at a time."""
    given = {"data": "own.tsv"}
    default, _ = suited(TrainingOptions.for_data(given), given, text)
    merges = default.vocabulary - ADDED_TOKENS
    half, double = 0.5, 2.0
    changes: dict[str, dict[str, Any]] = {
        "default": {},
        "peak of the rate / 2": {"rate_scale": default.rate_scale * half},
        "peak of the rate x 2": {"rate_scale": default.rate_scale * double},
        "batch tokens / 2": {"batch_tokens": default.batch_tokens // 2},
        "dropout - 0.1": {"dropout": max(0.0, round(default.dropout - 0.1, 2))},
        "dropout - 0.05": {"dropout": max(0.0, round(default.dropout - 0.05, 2))},
        "dropout + 0.05": {"dropout": round(default.dropout + 0.05, 2)},
        "dropout + 0.1": {"dropout": round(default.dropout + 0.1, 2)},
        "merges / 2": {"vocabulary": ADDED_TOKENS + merges // 2},
        "merges x 2": {"vocabulary": ADDED_TOKENS + merges * 2},
    }
    for name, change in changes.items():
        yield name, replace(default, **change)


def train(text: ParallelText, valid: ParallelText, options: TrainingOptions, *, budget: int) -> Result:
    """Train on `budget` target tokens, or until the model overfits."""
    tokenizer = bpe.train([*text.sources, *text.targets], vocabulary_size=options.vocabulary)
    config = make_config(options, tokenizer)
    model = Transformer(config, seed=options.seed)
    adam = Adam.for_parameters(model.parameters.flat)
    learned, watched = (prepare_text(part, tokenizer, tokenizer, config, 256).ids for part in (text, valid))
    characters = sum(map(len, valid.targets))
    tokens_per_epoch = sum(len(target) - 1 for target in learned.targets)
    best, above, tokens, step = None, 0, 0, 0
    every = max(FEWEST_BETWEEN, min(budget // EVALUATIONS, 2 * tokens_per_epoch))
    while tokens < budget and above < PATIENCE:
        for pairs in epoch_batches(learned, options.batch_tokens, seed=options.seed, epoch=tokens // tokens_per_epoch):
            batch, step = learned.batch(pairs, config.pad_id), step + 1
            _, gradients = model.loss_and_gradients(
                batch.source, batch.target, seed=(options.seed, step), label_smoothing=options.label_smoothing
            )
            rate = learning_rate(step, d_model=config.d_model, warmup=options.warmup, scale=options.rate_scale)
            adam.update(model.parameters.flat, gradients.flat, rate=rate)
            before, tokens = tokens, tokens + batch.token_count
            if before // every == tokens // every and tokens < budget:
                continue
            loss, count = validation(model, watched)
            found = Result(len(tokenizer), loss * count / characters, loss, tokens, tokens / tokens_per_epoch)
            if best is None or found.per_character < best.per_character:
                best, above = found, 0
            above += found.per_character > 1.02 * best.per_character
            if tokens >= budget or above >= PATIENCE:
                break
    assert best is not None
    return best


def validation(model: Transformer, text: EncodedText) -> tuple[float, int]:
    """(nats per token, tokens)."""
    batches = [text.batch(pairs, model.config.pad_id) for pairs in epoch_batches(text, 2048, seed=None)]
    count = sum(batch.token_count for batch in batches)
    return sum(
        float(model.loss(batch.source, batch.target, label_smoothing=0.0, token_count=count)) for batch in batches
    ), count


if __name__ == "__main__":
    main()
