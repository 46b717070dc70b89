"""A run that is stopped at any step, and resumed, is the uninterrupted one: weights, log, samples, bit for bit."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import child_run
import children
import pytest
import small_run

from numpy_transformer.training.parallel import Workers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of a process to itself")
STEPS = 60


def stopping_at(step: int) -> None:
    """Send this process SIGTERM while it computes that step."""
    whole_step = Workers.step

    def step_and_stop(self: Workers, *arguments: Any, **options: Any) -> Any:
        if options["seed"][1] == step:
            os.kill(os.getpid(), signal.SIGTERM)
        return whole_step(self, *arguments, **options)

    Workers.step = step_and_stop


@pytest.mark.parametrize(("workers", "accumulate"), [(1, 2), (2, 1)])
def test_every_step(workers, accumulate, amount, tried, tmp_path: Path, monkeypatch):
    small_run.smaller(monkeypatch)
    data = small_run.write_corpus(tmp_path / "data")
    options = {"steps": STEPS, "evaluate_every": 25, "workers": workers, "accumulate": accumulate}
    said = tmp_path / "said"
    assert children.done(lambda: child_run.go_on(tmp_path / "whole", data, **options), said) == 0, said.read_text()
    whole = child_run.content(tmp_path / "whole")
    steps = range(workers, STEPS + 1, amount(2, 1))  # in CI, one half with one worker and one half with two
    for step in steps:
        path = tmp_path / f"run{step}"

        def stopped(path: Path = path, step: int = step) -> int:
            stopping_at(step)
            return child_run.go_on(path, data, **options)

        status = children.done(stopped, said)
        assert status == (128 + signal.SIGTERM if step < STEPS else 0) or step == STEPS, said.read_text()
        assert children.done(lambda path=path: child_run.go_on(path, data, **options), said) == 0, said.read_text()
        assert child_run.differences(path, whole) == [], step
    tried(f"stopped at {len(steps)} of {STEPS} steps, {workers} worker(s), {accumulate} batch(es) a step: all the same")
