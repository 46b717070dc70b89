"""Run folders that are begun twice at once, moved, copied, read-only; clocks, hash seeds, locales, terminals."""

import os
import random
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import child_run
import children
import pytest
import small_run

from numpy_transformer.errors import InputError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks and locks")
ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {"steps": 8, "evaluate_every": 4}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    small_run.smaller(monkeypatch)
    return small_run.write_corpus(tmp_path / "data")


def test_simultaneous_starts(data, amount, tried, tmp_path: Path):
    """Of several that begin the same run at once one trains; the others say so, or, later, find a run there."""
    rng, rounds, refused = random.Random(0), amount(20, 500), 0

    def work(path: Path, delay: float) -> int:
        time.sleep(delay)
        folder = child_run.RunFolder(path)
        try:
            with folder.claimed(new=True):
                small_run.begun(path, data, **OPTIONS)
                with open(path / "begun", "a") as file:
                    file.write("once\n")
                time.sleep(0.02)
        except InputError as error:
            return 2 if "another process is training in it" in str(error) or "already holds a run" in str(error) else 3
        return 0

    for number in range(rounds):
        path = tmp_path / f"run{number}"
        works = [partial(work, path, rng.choice([0, 0, 0.01, 0.03])) for _ in range(4)]
        statuses, said = children.all_done(works, tmp_path)
        assert sorted(statuses) == [0, 2, 2, 2], said
        assert (path / "begun").read_text() == "once\n"
        refused += statuses.count(2)
    tried(f"{rounds} times four at once: one began each run, {refused} were refused")


def test_moved_and_copied(data, tried, tmp_path: Path):
    assert children.done(lambda: child_run.go_on(tmp_path / "whole", data, **OPTIONS)) == 0
    whole = child_run.content(tmp_path / "whole")
    small_run.begun(tmp_path / "first", data, **OPTIONS)
    for name in ("moved", "a copy", "with spaces and ü"):
        shutil.copytree(tmp_path / "first", tmp_path / name)
        assert children.done(lambda name=name: child_run.go_on(tmp_path / name, data), tmp_path / "said") == 0
        assert child_run.differences(tmp_path / name, whole) == []
    tried("3 copies of a run that had begun: each ended the same")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_read_only(data, tmp_path: Path):
    small_run.begun(tmp_path / "run", data, **OPTIONS)
    (tmp_path / "run").chmod(0o500)
    with pytest.raises(InputError, match="cannot be written to"), child_run.RunFolder(tmp_path / "run").claimed():
        pass
    (tmp_path / "run").chmod(0o700)


def test_a_clock_that_is_set_back(data, tried, tmp_path: Path, monkeypatch):
    """Durations are measured by a clock that is never set; file times decide nothing but which run is the latest."""
    assert children.done(lambda: child_run.go_on(tmp_path / "whole", data, **OPTIONS)) == 0

    def work() -> int:
        years = iter(range(10**6))
        time.time = lambda: 1.7e9 - 3e7 * next(years)
        return child_run.go_on(tmp_path / "run", data, **OPTIONS)

    assert children.done(work, tmp_path / "said") == 0, (tmp_path / "said").read_text()
    assert child_run.differences(tmp_path / "run", child_run.content(tmp_path / "whole")) == []
    tried("1 run whose clock went back a year at each look")


ENVIRONMENTS = {
    "hash seed 1": {"PYTHONHASHSEED": "1"},
    "hash seed 4294967295": {"PYTHONHASHSEED": "4294967295"},
    "the C locale": {"LC_ALL": "C"},
    "POSIX without UTF-8": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "a dumb terminal": {"TERM": "dumb"},
    "no terminal, no home": {"TERM": "", "HOME": ""},
    "a turkish locale": {"LC_ALL": "tr_TR.UTF-8"},
}


def test_environments(tried, tmp_path: Path):
    """Which words a tokenizer learns, and what a model learns, depends on none of them."""
    small_run.write_corpus(tmp_path / "data")
    command = [sys.executable, str(ROOT / "train.py"), "--data", "data", "--vocabulary", "280", "--steps", "2"]
    for name, changes in {"as it is": {}, **ENVIRONMENTS}.items():
        done = subprocess.run(
            [*command, "--workers", "1", "--batch-tokens", "100", "--run", name],
            cwd=tmp_path,
            env={**os.environ, **changes},
            capture_output=True,
        )
        assert done.returncode == 0, (name, done.stderr)
        assert child_run.differences(tmp_path / name, child_run.content(tmp_path / "as it is")) == [], name
    tried(f"{len(ENVIRONMENTS)} environments: the same run in each")
