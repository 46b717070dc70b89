"""NaN and infinity in the loss or any gradient, in any worker, at any step: it changes nothing, the run goes on."""

import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import child_run
import numpy as np
import pytest
import small_run

from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.trainer import SKIPS_BEFORE_STOP

STEPS = 20


class Injection:
    """Replaces a number of the model's loss or gradient, in one of its calls."""

    def __init__(self, model: Transformer, rng: random.Random) -> None:
        self.steps = set(rng.sample(range(2, STEPS + 1), rng.randrange(1, SKIPS_BEFORE_STOP)))
        self.worker, self.in_loss = rng.randrange(2), rng.random() < 0.2
        self.value, self.place = rng.choice([np.nan, np.inf, -np.inf, 3e38]), rng.randrange(model.parameters.flat.size)
        self._computed = model.loss_and_gradients

    def loss_and_gradients(self, *arguments: Any, **options: Any) -> tuple[Any, Any]:
        """As the model's, but for the chosen steps and worker; the seed names both: (..., step, batch, worker)."""
        loss, gradients = self._computed(*arguments, **options)
        _, step, _, worker = options["seed"]
        if step in self.steps and worker == self.worker:
            if self.in_loss:
                return np.float32(self.value if abs(self.value) > 3.3e38 else np.inf), gradients
            gradients.flat[self.place] = self.value
        return loss, gradients


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    small_run.smaller(monkeypatch)
    monkeypatch.setattr("numpy_transformer.training.reporting.draw_curves", child_run.quick_curves)
    return small_run.write_corpus(tmp_path / "data")


def test_the_step_changes_nothing(data, amount, tried, tmp_path: Path, monkeypatch):
    count, rng, skipped = amount(100, 2000), random.Random(0), 0
    for number in range(count):
        path = tmp_path / f"run{number}"
        trainer = small_run.begun(path, data, steps=STEPS, evaluate_every=STEPS, workers=2)
        injection = Injection(trainer.model, rng)
        before: dict[int, tuple[bytes, ...]] = {}
        monkeypatch.setattr(trainer, "_account", partial(noting, trainer, trainer._account, before))
        monkeypatch.setattr(trainer.model, "loss_and_gradients", injection.loss_and_gradients)
        assert trainer.run(), vars(injection)
        skips = {record["step"] for record in trainer.folder.read_log() if record["kind"] == "skip"}
        assert skips == injection.steps, vars(injection)
        for step in skips:
            assert before[step] == before[step - 1], vars(injection)
        assert np.isfinite(trainer.model.parameters.flat).all()
        skipped += len(skips)
    tried(f"{count} runs with {skipped} steps whose loss or gradient was not finite: each was skipped, nothing changed")


def noting(trainer: Any, account: Any, before: dict[int, tuple[bytes, ...]], *arguments: Any) -> None:
    """Note the state after each step, then go on."""
    before[trainer.progress.step] = state(trainer)
    account(*arguments)


def state(trainer: Any) -> tuple[bytes, ...]:
    """Everything an update changes."""
    adam = trainer.adam
    buffers = (trainer.model.parameters.flat, adam.first_moment, adam.second_moment)
    return (*(buffer.tobytes() for buffer in buffers), str(adam.step).encode())
