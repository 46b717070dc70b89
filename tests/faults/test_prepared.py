"""A large text is prepared while everything goes wrong: the next process prepares the same; nothing half is left."""

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import children
import pytest
import small_run
from broken_disk import KINDS, Disk
from test_signals import TRAIN, last_step

from numpy_transformer.data import in_processes, large_corpus, pair_files, prepared
from numpy_transformer.data.corpus_files import find_files
from numpy_transformer.errors import InputError
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.program import run_program
from numpy_transformer.storage.tensors import load_tensors

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")
CONFIG = TransformerConfig.preset("tiny", vocabulary_size=280)


@pytest.fixture
def text(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("NUMPY_TRANSFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(pair_files, "BLOCK_LINES", 16)
    monkeypatch.setattr(prepared, "RESOLUTION", -3600.0)  # records of files that have just been written, too
    path = tmp_path / "text.tsv"
    path.write_text("".join(line + "\n" for line in small_run.numbers_in_words(120)), encoding="utf-8")
    return path


def prepare(path: Path, say: Callable[[str], None] = print) -> None:
    """Prepare a text to the end, and print its digests."""
    files = find_files(str(path), source="en", target="de")
    corpus = large_corpus.large_corpus(
        files, source="en", target="de", seed=0, processes=2, say=say, progress=lambda fraction, text: None
    )
    tokenizer = corpus.train.learn_tokenizer(280)
    ids = corpus.train.encoded(tokenizer, tokenizer, tokenizer.digest, CONFIG, 60)
    print("digests", tokenizer.digest, ids.ids.digest(), len(ids.known_words()))


def told(path: Path) -> int:
    """The same as a program: a line and status 2 for an error of the user or the system."""
    try:
        prepare(path)
    except InputError as error:
        print(f"error: {error}")
        return 2
    return 0


def digests(said: Path) -> str:
    return said.read_text().splitlines()[-1]


def leftovers(folder: Path) -> list[Path]:
    return list((folder / "cache").rglob("*.tmp"))


def test_every_operation_of_every_file(text, amount, tried, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(in_processes.multiprocessing, "get_all_start_methods", list)  # only this process writes
    monkeypatch.setattr(large_corpus.TextStream, "map", _alone)
    said = tmp_path / "said"

    def count() -> int:
        disk = Disk(None, "")
        disk.install()
        status = told(text)
        (tmp_path / "count").write_text(str(disk.count))
        return status

    assert children.done(count, said) == 0, said.read_text()
    whole, operations = digests(said), int((tmp_path / "count").read_text())
    faults = [(number, kind) for number in range(operations) for kind in KINDS]
    for number, kind in faults[:: amount(29, 1)]:
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)

        def work(number: int = number, kind: str = kind) -> int:
            Disk(number, kind).install()
            return told(text)

        status = children.done(work, said)
        content = said.read_text()
        assert status in (0, 2, -9), content
        assert status != 2 or (content.splitlines()[-1].startswith("error: ") and "Traceback" not in content), content
        assert status != 0 or digests(said) == whole
        assert status == -9 or not [path for path in leftovers(tmp_path) if path.is_dir()], (number, kind)
        assert children.done(lambda: told(text), said) == 0, said.read_text()
        assert digests(said) == whole, (number, kind)
    tried(f"{operations} operations that write a prepared text, {len(faults[:: amount(29, 1)])} faults")


def _alone(stream: large_corpus.TextStream, activity: str, function, arguments, *, begin=None, given=()):
    if begin is not None:
        begin(*given)
    return (function(block, *arguments(block)) for block in stream.blocks(activity))


def test_killed_while_it_prepares(text, amount, tried, tmp_path: Path):
    said, draw, kills = tmp_path / "said", random.Random(0), 0
    assert children.done(lambda: told(text), said) == 0, said.read_text()
    whole = digests(said)
    for _ in range(amount(3, 100)):
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        for _ in range(4):
            seconds = draw.uniform(0.005, 0.15)

            def work(seconds: float = seconds) -> int:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_REAL, seconds)
                return told(text)

            kills += children.done(work, said) == -signal.SIGALRM
        assert children.done(lambda: told(text), said) == 0, said.read_text()
        assert digests(said) == whole
        assert not leftovers(tmp_path)
    tried(f"{kills} kills of a process that prepares a text: the next one prepares the same")


def test_several_processes_at_once_prepare_it_once(text, tmp_path: Path, monkeypatch):
    survey, log = large_corpus._survey, tmp_path / "log"

    def logged(*arguments: object) -> object:
        with open(log, "ab") as file:
            file.write(b"x")
        time.sleep(0.3)  # the others come meanwhile
        return survey(*arguments)

    monkeypatch.setattr(large_corpus, "_survey", logged)
    statuses, outputs = children.all_done([lambda: told(text)] * 3, tmp_path)
    assert statuses == [0, 0, 0], outputs
    assert log.read_bytes() == b"x"
    assert len({output.splitlines()[-1] for output in outputs}) == 1


LOOK_AT = large_corpus._look_at


def slowly(*arguments: object) -> object:
    """What a process does with a block, but so that there is time for a signal."""
    time.sleep(0.2)
    return LOOK_AT(*arguments)


def test_sigterm_while_it_prepares_leaves_nothing(text, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(large_corpus, "_look_at", slowly)
    said = tmp_path / "said"
    process = children.started(lambda: run_program(lambda: told(text)), said)
    while not leftovers(tmp_path):
        time.sleep(0.01)
    os.kill(process, signal.SIGTERM)
    assert children.ended(process) == 128 + signal.SIGTERM, said.read_text()
    assert not leftovers(tmp_path)


def test_one_command_line_of_a_batch_system(tmp_path: Path):
    """Begun, ended by SIGTERM before its time is up, started again by the same line until it is done."""
    import subprocess

    small_run.write_corpus(tmp_path / "data")
    line = f"{TRAIN} --steps 40 --evaluate-every 1000 --average 1 --resume-or-begin".split()

    def begin() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            line, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    process = begin()
    while last_step(tmp_path) < 10:
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    status = process.wait()
    assert status in (0, 128 + signal.SIGTERM)  # 0: it was faster
    assert begin().wait() == 0

    def weights() -> dict[str, bytes]:
        tensors, _ = load_tensors(tmp_path / "run/checkpoints/training.safetensors")
        return {name: tensor.tobytes() for name, tensor in tensors.items()}

    resumed = weights()
    (tmp_path / "run").rename(tmp_path / "stopped")
    assert begin().wait() == 0
    assert weights() == resumed
