"""Options that follow from the size of a text, where the user does not give them.

What suits a million pairs teaches a model nothing from three hundred: one batch holds all of them, so an epoch is one
update; the learning rate is still rising when the run ends; and most tokens of the vocabulary occur a few times only.
docs/training.md has the rules as a table, and how they were measured.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Protocol

from numpy_transformer.terminal.wording import counted
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.recipes import RECIPES

SMALLER_PRESETS = ("tiny", "small")
BYTES_AND_SPECIAL_TOKENS = 259
CHARACTERS_PER_TOKEN = 3  # about; more in a large vocabulary, fewer in a small one
MOST_BATCH_TOKENS = 4096
EVALUATED_TOKENS = (12_000, 250_000)  # at least and at most, from one evaluation to the next
WHOLE_RUN_TOKENS = 1_500_000  # at least, unless that would be more than MOST_EPOCHS
SHORTEST_WARMUP = 10  # updates
LEAST_EPOCHS, MOST_EPOCHS = 20, 200

WHY = {
    "vocabulary": "each token occurs often enough to be learned",
    "batch_tokens": "many updates an epoch",
    "dropout": "a small text is soon known by heart",
    "epochs": "until nothing more is learned",
    "evaluate_every": "updates; finds the best model, at little cost",
    "warmup": "updates; the rate must fall again before the end",
    "rate_scale": "a peak that suits the preset",
}


class SizedText(Protocol):
    """A training text, in memory or not: how many pairs it has, and how many characters each of its sides."""

    def __len__(self) -> int: ...

    @property
    def characters(self) -> tuple[int, ...]: ...


def suited(options: TrainingOptions, given: Mapping[str, Any], text: SizedText) -> tuple[TrainingOptions, str | None]:
    """The options for training on `text`, and one line for the user: what was chosen, and why.

    What is `given` stays, and the rest follows it. A corpus with a recipe of its own keeps that, and there is no line.
    """
    chosen = {} if options.data in RECIPES else choices(options, given, text)
    if not chosen:
        return options, None
    named = [f"--{name.replace('_', '-')} {value} ({WHY[name]})" for name, value in chosen.items()]
    note = f"chosen to suit {counted(len(text), 'training pair')}: {', '.join(named)}"
    return dataclasses.replace(options, **chosen), note


def choices(options: TrainingOptions, given: Mapping[str, Any], text: SizedText) -> dict[str, Any]:
    """Every option that follows from the text and is not `given`, by its name.

    The large presets keep the paper's schedule: at a high rate after a short warmup they may diverge.
    """
    source_size, target_size = text.characters
    tokens = max(1, target_size // CHARACTERS_PER_TOKEN)  # of an epoch
    suiting: dict[str, Any] = {}

    def choose(name: str, value: Any) -> Any:
        """The option's value: `value`, if none is given."""
        if name in given:
            return given[name]
        suiting[name] = value
        return value

    # Heaps' law: the number of distinct words grows with a power of the size of a text.
    choose("vocabulary", min(8000, BYTES_AND_SPECIAL_TOKENS + round(0.13 * (source_size + target_size) ** 0.7)))
    # Small enough for many updates an epoch; below 256 tokens a step takes hardly less time.
    fitting = 256 if tokens < 10_000 else 512 if tokens < 100_000 else max(1024, min(tokens // 1200, MOST_BATCH_TOKENS))
    batch = choose("batch_tokens", 2 ** round(math.log2(fitting)))
    choose("dropout", 0.3 if tokens < 10_000 else 0.2 if tokens < 60_000 else 0.1 if tokens < 300_000 else 0.05)
    if given.keys() & {"steps", "epochs", "minutes"}:
        epochs = options.epochs
    else:
        epochs = choose("epochs", min(max(LEAST_EPOCHS, math.ceil(WHOLE_RUN_TOKENS / tokens)), MOST_EPOCHS))
    least, most = EVALUATED_TOKENS
    choose("evaluate_every", math.ceil(min(max(4 * tokens, least), most) / batch))
    if options.preset in SMALLER_PRESETS:
        updates = options.steps or math.ceil((epochs or MOST_EPOCHS) * tokens / batch)
        rising = 100 if tokens < 10_000 else 200 if tokens < 300_000 else 400
        warmup = choose("warmup", max(SHORTEST_WARMUP, min(rising, updates // 4)))
        # The peak, scale / sqrt(D warmup), is 0.0020 for tiny; half of that where batches are small, and noisy.
        scale = 0.35 if batch <= 256 else 0.7  # at a warmup of 1,000
        choose("rate_scale", round(scale * math.sqrt(warmup / 1000), 3))
    return suiting
