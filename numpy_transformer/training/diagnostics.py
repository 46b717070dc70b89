"""What the trainer says about batches that suit the workers or the memory badly, and about broken gradients."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array, to_host
from numpy_transformer.data.batching import EncodedText
from numpy_transformer.errors import InputError
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.model import Model
from numpy_transformer.terminal.wording import counted
from numpy_transformer.training.costs import StepSize, step_bytes
from numpy_transformer.training.options import LESS_MEMORY, TrainingOptions

KEPT = (
    "the state of the last evaluation, if there was one, is kept: begin again with a lower --rate-scale, "
    "a longer --warmup or --clip 1"
)


class DivergenceError(InputError):
    """The numbers are no longer finite, so that going on would teach nothing."""


def batch_notes(text: EncodedText, batches: Sequence[Array], *, batch_tokens: int, workers: int) -> list[str]:
    """What a user should know about these batches (indices into `text`): lines, none if all is as it should be."""
    notes = []
    lengths = np.maximum(*text.lengths)
    longer = int((lengths > batch_tokens).sum())
    if longer:
        notes.append(
            f"{longer:,} of {counted(len(text), 'training pair')} {'is' if longer == 1 else 'are'} longer than "
            f"--batch-tokens {batch_tokens} (the longest: {lengths.max():,}); each is a batch of its own"
        )
    short = sum(len(batch) < workers for batch in batches)
    if 2 * short > len(batches):
        notes.append(
            f"{short:,} of {len(batches):,} {'batch has' if len(batches) == 1 else 'batches have'} fewer sentences "
            f"than the {workers} workers, some of which will wait; raise --batch-tokens or lower --workers"
        )
    return notes


ENOUGH = 4  # times the warmup: updates after which a model has learned most of what it will


def shorter_warmup(options: TrainingOptions, steps: int) -> str:
    """The options of a warmup that suits so many updates, with the peak of the learning rate where it was."""
    warmup = max(1, steps // ENOUGH)
    return f"--warmup {warmup} --rate-scale {options.rate_scale * math.sqrt(warmup / options.warmup):.2g}"


def too_few_steps_note(options: TrainingOptions, steps_per_epoch: int) -> str | None:
    """One line if a run ends while the learning rate rises, or soon after; else None. It names the cheap cure first."""
    ends = [("--steps", options.steps, 1), ("--epochs", options.epochs, steps_per_epoch)]
    given = [(count * steps, name, steps) for name, count, steps in ends if count is not None]
    if not given or options.warmup == 1 or min(given)[0] >= 2 * options.warmup:
        return None
    steps, name, unit = min(given)
    return (
        f"the run will end after {counted(steps, 'step')}, but the learning rate rises until step {options.warmup:,} "
        f"(--warmup): give it {shorter_warmup(options, steps)}, or more steps: smaller --batch-tokens, or "
        f"{name} {math.ceil(ENOUGH * options.warmup / unit)} or more"
    )


def too_little_time_note(options: TrainingOptions, step: int, seconds: float) -> str | None:
    """One line if --minutes ended a run while the learning rate rose, or soon after; else None.

    `step` updates were made in `seconds`: on a machine that is slow or was busy, or asleep, too few.
    """
    if options.minutes is None or seconds < 60 * options.minutes or step >= 2 * options.warmup:
        return None
    minutes = math.ceil(seconds / 60 * ENOUGH * options.warmup / max(1, step))
    return (
        f"the time was up after {counted(step, 'step')}, but the learning rate rises until step {options.warmup:,} "
        f"(--warmup): begin again with {shorter_warmup(options, step)} or smaller --batch-tokens, or give it about "
        f"--minutes {minutes}, which --resume can still do"
    )


def memory_note(
    config: TransformerConfig,
    parameters: int,
    text: EncodedText,
    batches: Sequence[Array],
    *,
    workers: int,
    recompute: bool,
    available: int | None,
) -> str | None:
    """One line if the largest of these batches will need more memory than is `available`, in bytes; else None.

    Many systems grant any memory and end the program when it uses it, so that there is no error to report later.
    """
    lengths = text.lengths
    sizes = {StepSize(len(batch), *(int(side[batch].max()) for side in lengths)) for batch in batches}
    needs = {size: step_bytes(config, parameters, size, workers=workers, recompute=recompute) for size in sizes}
    largest = max(needs, key=lambda size: needs[size])
    if available is None or needs[largest] <= available:
        return None
    return (
        f"the largest batch ({counted(largest.sentences, 'sentence')} of up to {largest.source_length:,} and "
        f"{largest.target_length:,} tokens) needs about {needs[largest] / 1e9:.1f} GB of memory, and "
        f"{available / 1e9:.1f} GB are free; if that ends the run, {LESS_MEMORY}"
    )


def nonfinite_report(model: Model[Any], gradients: Array) -> list[str]:
    """One line for each parameter whose gradient is not finite, in the order of the model."""
    lines = []
    named = model.parameters.view(to_host(gradients), model.parameters.tree).named()
    for (name, values), (_, gradient) in zip(model.parameters.named(), named, strict=True):
        bad = int((~np.isfinite(gradient)).sum())
        if bad:
            largest = float(abs(values).max())
            lines.append(f"  {name}: {bad:,} of {gradient.size:,} gradients not finite; largest weight {largest:.3g}")
    return lines
