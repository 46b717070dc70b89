"""Ctrl-C, SIGTERM and SIGHUP while a model learns: a request, then an order; ignored ones stay ignored."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bpe import signals
from numpy_transformer.training.interrupt import StopRequest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The time that signals see, and the handlers of before afterwards."""
    now = [100.0]
    monkeypatch.setattr(signals.time, "monotonic", lambda: now[0])
    before = {number: signal.getsignal(number) for number in signals.ENDING_SIGNALS}
    yield now
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", signals.ENDING_SIGNALS)
def test_the_first_asks_and_a_later_one_interrupts(number, clock):
    said: list[str] = []
    with StopRequest(said.append) as stop:
        for _ in range(20):  # a closed terminal, a held key
            os.kill(os.getpid(), number)
        assert (stop.requested, stop.number, len(said)) == (True, number, 1)
        clock[0] += signals.SAME_SECONDS
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)


def test_a_signal_to_another_process_and_to_this_one_is_one_request(clock):
    said: list[str] = []
    with StopRequest(said.append) as stop:
        stop.ask(signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        stop.ask(signal.SIGTERM)
        assert (stop.requested, stop.number, len(said)) == (True, signal.SIGTERM, 1)
        clock[0] += signals.SAME_SECONDS
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


def test_everything_is_saved_already(clock):
    with StopRequest(print) as stop:
        stop.at_once = True
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("number", signals.ENDING_SIGNALS)
def test_a_signal_that_was_ignored_stays_ignored(number, clock):
    signal.signal(number, signal.SIG_IGN)
    with StopRequest(print) as stop, signals.ending_signals():
        os.kill(os.getpid(), number)
        assert not stop.requested


SCRIPT = """
import os, signal, sys, time
from numpy_transformer.program import run_program

def main():
    try:
        for _ in range(int(sys.argv[2])):
            os.kill(os.getpid(), int(sys.argv[1]))
        time.sleep(60)
    finally:
        print("cleaned up")

status = run_program(main)
os.kill(os.getpid(), int(sys.argv[1]))
sys.exit(status)
"""


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize("number", signals.ENDING_SIGNALS)
def test_a_program_ends_through_its_finally_blocks_in_one_line(number, count):
    command = [sys.executable, "-c", SCRIPT, str(int(number)), str(count)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (128 + number, "cleaned up\n", "-c: interrupted\n")
