"""Ctrl-C, SIGTERM and a closed terminal, once, often, in a save, through pipes, under nohup: the state is saved."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import small_run

from numpy_transformer.storage.tensors import load_tensors

pytestmark = pytest.mark.skipif(sys.platform == "win32" or not shutil.which("bash"), reason="POSIX signals and pipes")
ROOT = Path(__file__).resolve().parents[2]
SIGNALS = {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM, "SIGHUP": signal.SIGHUP}
TRAIN = f"{sys.executable} -u {ROOT / 'train.py'} --data data --vocabulary 280 --batch-tokens 100 --workers 1 --run run"
# How it is started, whether the status is that of the pipe's last command, and whether it hears SIGHUP.
STARTS = {
    "alone": "exec {train}",
    "into tee": "{train} 2>&1 | tee log",
    "into head": "{train} 2>&1 | head -n 2",
    "under nohup": "exec nohup {train} > log 2>&1",
    "into a full disk": "exec {train} > /dev/full 2>/dev/null",
}


def start(how: str, folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """The program in a session of its own, as a terminal starts it."""
    command = STARTS[how].format(train=" ".join([TRAIN, *options]))
    return subprocess.Popen(
        ["bash", "-c", command],
        cwd=folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def last_step(folder: Path) -> int:
    """The latest step in the log."""
    file = folder / "run" / "log.jsonl"
    records = file.read_text().splitlines() if file.exists() else []
    return json.loads(records[-1])["step"] if records else 0


def saved_step(folder: Path) -> int:
    _, metadata = load_tensors(folder / "run/checkpoints/training.safetensors")
    return json.loads(metadata["progress"])["step"]


def wait_until_trained(folder: Path, process: subprocess.Popen[bytes], step: int) -> None:
    while last_step(folder) < step:
        time.sleep(0.02)


def wait_until_free(folder: Path) -> None:
    """The shell may end before the program in its pipe: wait for the run's lock."""
    import fcntl

    descriptor = os.open(folder / "run", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.close(descriptor)


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("how", STARTS)
def test_what_was_learned_is_saved(how, name, count, amount, tried, tmp_path: Path):
    if count == 20 and how in ("into head", "into a full disk") and amount(0, 1) == 0:
        pytest.skip("--long")
    if how == "into a full disk" and not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    small_run.write_corpus(tmp_path / "data")
    for _ in range(amount(1, 50)):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        process = start(how, tmp_path, "--steps", "1000000", "--evaluate-every", "1000000")
        wait_until_trained(tmp_path, process, 10)
        ignored = how == "under nohup" and name == "SIGHUP"
        for _ in range(count):
            os.killpg(process.pid, SIGNALS[name])
        if ignored:
            wait_until_trained(tmp_path, process, last_step(tmp_path) + 10)
            os.killpg(process.pid, signal.SIGTERM)
        status = process.wait()
        wait_until_free(tmp_path)
        if how in ("alone", "under nohup"):
            assert status == 128 + (signal.SIGTERM if ignored else SIGNALS[name])
        assert saved_step(tmp_path) >= last_step(tmp_path) >= 10
        assert not list((tmp_path / "run").rglob("*.tmp"))
    tried(f"{amount(1, 50)} run(s) saved what they had learned")


@pytest.mark.parametrize("name", SIGNALS)
def test_in_a_save(name, amount, tried, tmp_path: Path):
    """With an evaluation at every step there is nearly always one."""
    small_run.write_corpus(tmp_path / "data")
    for _ in range(amount(1, 50)):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        process = start("alone", tmp_path, "--steps", "1000000", "--evaluate-every", "1")
        while not list((tmp_path / "run").rglob(".training.safetensors.*.tmp")):
            if last_step(tmp_path) >= 10:
                break
        os.killpg(process.pid, SIGNALS[name])
        assert process.wait() == 128 + SIGNALS[name]
        assert saved_step(tmp_path) >= last_step(tmp_path)
        assert not list((tmp_path / "run").rglob("*.tmp"))
    tried(f"{amount(1, 50)} signal(s) in a save: the state is whole")
