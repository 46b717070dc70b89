"""A rank that dies, hangs or fails ends the whole run with one line; the run that goes on loses nothing."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import child_run
import children
import pytest
import small_run
from mpi_here import MPIEXEC, needs_mpi

from numpy_transformer.storage.tensors import load_tensors
from numpy_transformer.training.run_folder import RunFolder

pytest.importorskip("mpi4py", reason="pip install -r requirements-mpi.txt")
HERE = Path(__file__).parent
pytestmark = needs_mpi()
RANKS = 2
RANK = [MPIEXEC, "-n", str(RANKS), sys.executable, HERE / "rank_run.py"]
OPTIONS = {"steps": 40, "evaluate_every": 4, "accumulate": 2}
LAST_WORDS = "\ntest: chrF2 "  # of a run
LINE = re.compile(r"rank_run\.py: rank (\d) on (\S+) (.*); --resume goes on from the last save")


def start(path: Path, data: Path, *fault: str, **changes) -> subprocess.Popen[str]:
    folders = (HERE.parents[1], HERE.parent / "support", HERE)
    return subprocess.Popen(
        [*RANK, path, data, json.dumps({**OPTIONS, **changes}), *fault],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), "OPENBLAS_NUM_THREADS": "1"},
    )


def process_of(path: Path, rank: int) -> int:
    """The process of a rank, once it is in the run."""
    file = path.parent / f"{path.name}.{rank}"
    while not file.exists() or not file.read_text():
        time.sleep(0.01)
    return int(file.read_text())


def forget_processes(path: Path) -> None:
    for rank in range(RANKS):
        (path.parent / f"{path.name}.{rank}").unlink(missing_ok=True)


def wait_until_trained(path: Path, process: subprocess.Popen[str]) -> None:
    while not (path / "log.jsonl").exists() and process.poll() is None:
        time.sleep(0.02)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return small_run.write_corpus(tmp_path / "data")


def test_killed_ranks_lose_nothing(amount, tried, tmp_path: Path, data: Path):
    """kill -9 of either rank at any time. The rank that is named is the one that was killed first."""
    whole = start(tmp_path / "whole", data)
    said, _ = whole.communicate()
    assert whole.returncode == 0, said
    uninterrupted = child_run.content(tmp_path / "whole")
    rng, kills, folders, named = random.Random(0), 0, 0, 0
    others: list[str] = []
    wanted = amount(2, 100)
    while kills < wanted:
        path = tmp_path / f"run{folders}"
        folders += 1
        for _ in range(min(8, wanted - kills)):
            forget_processes(path)
            process = start(path, data)
            killed = rng.randrange(RANKS)
            victim = process_of(path, killed)
            time.sleep(rng.uniform(0, 1.5))
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:  # it had reached its end
                break
            finally:
                said, _ = process.communicate()
            if process.returncode == 0 or LAST_WORDS in said:  # there was no run to end any more
                break
            kills += 1
            found = [int(rank) for rank, *_ in LINE.findall(said)]
            assert len(found) <= 1, said
            if found == [killed]:
                named += 1
            else:
                others.append(f"rank {killed}: {said}")
        forget_processes(path)
        last = start(path, data)
        said, _ = last.communicate()
        assert last.returncode == 0, said
        assert child_run.differences(path, uninterrupted) == [], path
    assert named >= 0.9 * kills, f"{named} of {kills}; others: {others}"
    tried(f"{kills} kills of ranks of {folders} runs, {named} named right: each run equals the uninterrupted one")


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("1 no memory", r"rank_run\.py: rank 1 on \S+ failed: out of memory \(too much\); --resume goes on .*"),
        ("0 full disk", r"rank_run\.py: rank 0 on \S+: \S+: No space left on device"),
    ],
)
def test_a_rank_that_fails_says_so_in_one_line(fault, expected, tmp_path: Path, data: Path):
    process = start(tmp_path / "run", data, fault)
    said, _ = process.communicate()
    assert process.returncode != 0, said
    assert "Traceback" not in said
    [line] = [line for line in said.splitlines() if line.startswith("rank_run.py")]
    assert re.fullmatch(expected, line), line


def test_a_rank_that_hangs_ends_the_run(amount, tmp_path: Path, data: Path):
    for rank in (1, 0)[: amount(1, 2)]:
        path = tmp_path / f"run{rank}"
        process = start(path, data, steps=10**6, evaluate_every=10**6)
        stopped = process_of(path, rank)
        wait_until_trained(path, process)
        os.kill(stopped, signal.SIGSTOP)
        said, _ = process.communicate()
        assert [(int(number), what) for number, _, what in LINE.findall(said)] == [(rank, "has not answered for 15 s")]


@pytest.mark.parametrize(("rank", "number"), [(1, signal.SIGTERM), (None, signal.SIGINT)])
def test_a_signal_to_any_rank_or_to_all_saves_once(rank, number, tmp_path: Path, data: Path):
    process = start(tmp_path / "run", data, steps=10**6, evaluate_every=10**6)
    targets = [process_of(tmp_path / "run", each) for each in range(RANKS)]
    wait_until_trained(tmp_path / "run", process)
    for each, target in enumerate(targets):
        if rank in (each, None):
            os.kill(target, number)
    said, _ = process.communicate()
    assert process.returncode == 128 + number, said
    assert said.count("stopping after this step and saving") == 1
    _, metadata = load_tensors(tmp_path / "run/checkpoints/training.safetensors")
    assert json.loads(metadata["progress"])["step"] >= 10


def test_another_number_of_ranks_goes_on_with_the_same_batches(tmp_path: Path, data: Path):
    """Begun by two ranks that are killed, ended by one process: to rounding as if it had never been two."""
    options = {"steps": 24, "dropout": 0.0, "accumulate": 2}
    path, whole = tmp_path / "run", tmp_path / "whole"
    process = start(path, data, **options)
    victim = process_of(path, 1)
    wait_until_trained(path, process)
    os.kill(victim, signal.SIGKILL)
    process.communicate()
    forget_processes(path)

    def one_process(at: Path) -> int:
        small_run.smaller(pytest.MonkeyPatch())
        return child_run.go_on(at, data, **options)

    assert children.done(lambda: one_process(path), tmp_path / "said") == 0
    assert children.done(lambda: one_process(whole)) == 0
    said = "saved by 2 ranks with 2 workers in all, goes on with 1 worker: the same batches in the same order, but "
    assert said in (tmp_path / "said").read_text(), (tmp_path / "said").read_text()
    logs = [RunFolder(folder).read_log() for folder in (path, whole)]
    losses, expected = ([one["loss"] for one in log if one["kind"] == "evaluation"] for log in logs)
    assert losses == pytest.approx(expected, rel=1e-4)  # another batch would change the first digits
    assert len(losses) == 6
