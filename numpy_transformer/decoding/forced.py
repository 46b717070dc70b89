"""Forced scoring: the log-probability of given translations."""

from collections.abc import Sequence

import numpy as np

from numpy_transformer.backend.arrays import array_module, to_device
from numpy_transformer.decoding.ensemble import mean_log_probabilities
from numpy_transformer.decoding.scoring import Done, check_numbers, on_host
from numpy_transformer.models.transformer import Transformer


def forced_log_probabilities(
    models: Transformer | Sequence[Transformer],
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    *,
    rows: int = 32,
    done: Done | None = None,
) -> list[float]:
    """For each pair, log p(target and its eos | source), natural logarithm.

    A source ends with eos, a target has neither bos nor eos. `rows` pairs are computed at once; adjacent pairs of
    similar length waste little. `done` is called with the numbers of each of these groups when it is computed. Raises
    InputError if a model computes NaN.
    """
    models = [models] if isinstance(models, Transformer) else models
    config = models[0].config
    found: list[float] = []
    for start in range(0, len(pairs), rows):
        batch = pairs[start : start + rows]
        source = padded([source for source, _ in batch], config.pad_id)
        target = padded([[config.bos_id, *target, config.eos_id] for _, target in batch], config.pad_id)
        log_probabilities = mean_log_probabilities([model.logits(source, target[:, :-1]) for model in models])
        xp = array_module(log_probabilities)
        labels = target[:, 1:]
        chosen = xp.take_along_axis(log_probabilities, to_device(labels, xp)[..., None], axis=-1)[..., 0]
        totals = np.where(labels != config.pad_id, on_host(chosen)[0], 0).sum(axis=1)
        check_numbers(totals)
        found += totals.tolist()
        if done is not None:
            done(range(start, len(found)), 0)
    return found


def padded(sequences: Sequence[Sequence[int]], pad_id: int) -> np.ndarray:
    """(n, longest), right-padded."""
    array = np.full((len(sequences), max(map(len, sequences))), pad_id)
    for row, ids in zip(array, sequences, strict=True):
        row[: len(ids)] = ids
    return array
