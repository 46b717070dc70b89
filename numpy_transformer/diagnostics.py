"""What the trainer says about batches that do not suit their workers, and about gradients that are not finite."""

from collections.abc import Sequence

import numpy as np

from numpy_transformer.backend import Array, to_host
from numpy_transformer.data.batching import EncodedText
from numpy_transformer.model import Transformer


def batch_notes(text: EncodedText, batches: Sequence[Array], *, batch_tokens: int, workers: int) -> list[str]:
    """What a user should know about these batches (indices into `text`): lines, none if all is as it should be."""
    notes = []
    lengths = [max(len(source), len(target) - 1) for source, target in zip(text.sources, text.targets, strict=True)]
    longer = sum(length > batch_tokens for length in lengths)
    if longer:
        notes.append(
            f"{longer:,} of {len(text):,} training pairs are longer than --batch-tokens {batch_tokens} "
            f"(the longest: {max(lengths)}); each is a batch of its own"
        )
    short = sum(len(batch) < workers for batch in batches)
    if 2 * short > len(batches):
        notes.append(
            f"{short:,} of {len(batches):,} batches have fewer sentences than the {workers} workers, some of which "
            "will wait; raise --batch-tokens or lower --workers"
        )
    return notes


def nonfinite_report(model: Transformer, gradients: Array) -> list[str]:
    """One line for each parameter whose gradient is not finite, in the order of the model."""
    lines = []
    named = model.parameters.view(to_host(gradients), model.parameters.tree).named()
    for (name, values), (_, gradient) in zip(model.parameters.named(), named, strict=True):
        bad = int((~np.isfinite(gradient)).sum())
        if bad:
            largest = float(abs(values).max())
            lines.append(f"  {name}: {bad} of {gradient.size} gradients not finite; largest weight {largest:.3g}")
    return lines
