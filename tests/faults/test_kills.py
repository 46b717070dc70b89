"""kill -9 at random instants, a third of them in a save: the run that goes on ends as if nothing had been."""

import random
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import child_run
import children
import pytest
import small_run

from bpe import files

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
KILLS_OF_A_RUN = 8
OPTIONS = {"steps": 40, "evaluate_every": 4, "accumulate": 2}


def die_after(seconds: float) -> None:
    """The kernel ends this process then, wherever it is: nothing of it runs any more, as after kill -9."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def die_in_a_save(number: int, seconds: float) -> None:
    """... so long after the beginning of the file with this number."""
    whole_file, left = files.whole_file, [number]

    def counted(path: str) -> object:
        left[0] -= 1
        if left[0] == 0:
            die_after(seconds)
        return whole_file(path)

    for module in (files, sys.modules["numpy_transformer.storage.atomic"]):
        module.whole_file = counted


def test_killed_runs_end_as_uninterrupted_ones(amount, tried, tmp_path: Path, monkeypatch):
    small_run.smaller(monkeypatch)
    data = small_run.write_corpus(tmp_path / "data")
    assert children.done(lambda: child_run.go_on(tmp_path / "whole", data, **OPTIONS)) == 0
    whole = child_run.content(tmp_path / "whole")
    rng, kills, in_saves, folders = random.Random(0), 0, 0, 0
    while kills < amount(40, 1000):
        path = tmp_path / f"run{folders}"
        folders += 1
        of_this_run = 0
        while True:
            arm = aim(rng) if of_this_run < KILLS_OF_A_RUN else (lambda: None)

            def work(arm: Callable[[], None] = arm, path: Path = path) -> int:
                arm()
                return child_run.go_on(path, data, **OPTIONS)

            status = children.done(work, tmp_path / "said")
            if status == 0:
                break
            assert status == -signal.SIGALRM, (tmp_path / "said").read_text()
            kills += 1
            of_this_run += 1
            in_saves += any(path.rglob("*.tmp"))
        assert child_run.differences(path, whole) == [], path
    tried(f"{kills} kills of {folders} runs, {in_saves} of them within a save: each run equals the uninterrupted one")


def aim(rng: random.Random) -> Callable[[], None]:
    """How the next process dies: anywhere, or in one of its saves."""
    if rng.random() < 2 / 3:
        seconds = rng.uniform(0.01, 0.4)
        return lambda: die_after(seconds)
    number, seconds = rng.randrange(1, 25), rng.choice([1e-6, 1e-5, 1e-4, 1e-3, 3e-3])
    return lambda: die_in_a_save(number, seconds)
