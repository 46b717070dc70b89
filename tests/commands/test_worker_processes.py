"""Worker processes end with the program that started them, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_translate_cli import make_run

from bpe.__main__ import main

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for children in /proc")
HANGING = 60  # seconds after which workers that still hold the pipe are taken to hold it for ever


def children(process: int) -> set[int]:
    """The processes that it has started, and those that they have."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[1]) == process and fields[0] != "Z":
            found |= {int(path.parent.name), *children(int(path.parent.name))}
    return found


def command_lines(folder: Path) -> dict[str, list[str]]:
    """Programs that work with two processes until their input ends."""
    make_run(folder / "run")
    translate = [str(ROOT / "translate.py"), "--model", "run", "--workers", "2", "--beam", "1", "--output", "out"]
    return {"translate": translate, "bpe": ["-m", "bpe", "train", "--processes", "2", "--output", "out"]}


@pytest.mark.parametrize("name", ["translate", "bpe"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_workers_end_with_their_parent(name, number, tmp_path):
    """They hold the caller's standard error, who reads it to its end: with one of them alive that never comes."""
    with subprocess.Popen(
        [sys.executable, *command_lines(tmp_path)[name]],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as program:
        workers: set[int] = set()
        while len(workers) < 2:
            program.stdin.write(b"the dog runs home\n" * 4096)
            program.stdin.flush()
            workers = children(program.pid)
        program.send_signal(number)
        try:
            _, said = program.communicate(timeout=HANGING)
        finally:
            for process in (workers | {program.pid}) & {int(path.name) for path in Path("/proc").glob("[0-9]*")}:
                os.kill(process, signal.SIGKILL)
    if number != signal.SIGKILL:
        assert program.returncode == 128 + number
        assert said.decode().endswith("interrupted\n")
        assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_processes_have_a_limit(tmp_path, capsys):
    (tmp_path / "text").write_text("one two\n")
    arguments = ["train", str(tmp_path / "text"), "--output", str(tmp_path / "out"), "--processes", "1000000"]
    assert main(arguments) == 2
    assert "processes is 1000000; it must be at most" in capsys.readouterr().err


SIGNAL_IN_A_FORK = """
import os, signal
from bpe.signals import ending_signals
from bpe.workers import worker_pool

once = [True]
os.register_at_fork(after_in_parent=lambda: once and (once.clear(), os.kill(os.getpid(), signal.SIGTERM)))
try:
    with ending_signals(), worker_pool(1, method="fork") as pool:
        pool.submit(len, "x").result()
    print("lost")
except KeyboardInterrupt:
    print("heard")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_signal_in_the_moment_of_a_fork_is_not_lost():
    said = subprocess.run(
        [sys.executable, "-c", SIGNAL_IN_A_FORK], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout == "heard\n"
