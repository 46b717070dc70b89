"""Command lines made of the programs' own options with hostile values, and hostile streams: an answer or a clear word.

Each is a child with limited memory. It ends with status 0, or with status 2 and a complaint: never with a traceback.
"""

import argparse
import io
import os
import random
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import children
import pytest
import small_run

import bpe.__main__
from numpy_transformer.commands import train, translate, translation_options
from numpy_transformer.training import reporting

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks and limits of memory")
MEMORY = 2 << 30  # bytes beyond the process's own
SECONDS = 300  # after which a command is taken to hang
NUMBERS = [
    "0",
    "1",
    "2",
    "-1",
    "7",
    "1e3",
    "1e400",
    "-0",
    "nan",
    "inf",
    "-inf",
    "0x10",
    "1_000",
    "999999999",
    "-99999999999999999999",
    "1000000000000000000000",
]
TEXTS = [
    "",
    " ",
    "--",
    "-",
    "a",
    "ü",
    "\udcff",
    "\u202e",
    "\U0001f600" * 50,
    "x" * 5000,
    "a\nb",
    "a\tb",
    "%s{0}$(ls)`",
    "'",
    "../..",
    "/",
]
FILES = [
    "nowhere",
    "data",
    "run",
    "/dev/null",
    "/dev/full",
    "run/tokenizer.json",
    "data/train.en",
    "new/out.png",
    "out.html",
    "out",
]


def parsers() -> dict[str, list[argparse.Action]]:
    """The options of each program, from its own parser."""
    found: dict[str, list[argparse.Action]] = {}
    for name, parse in (("train", train.parse_arguments), ("translate", translation_options.parse_arguments)):
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(
                argparse.ArgumentParser,
                "parse_args",
                lambda parser, *_, name=name: found.update({name: parser._actions}) or argparse.Namespace(),
            )
            parse([])
    [commands] = [action for action in bpe.__main__._parser()._actions if isinstance(action.choices, dict)]
    return found | {f"bpe {name}": parser._actions for name, parser in commands.choices.items()}


def value(action: argparse.Action, rng: random.Random) -> str:
    """Something that may or may not be meant."""
    if action.choices:
        return rng.choice([*map(str, action.choices), *TEXTS])
    if action.type in (int, float) and rng.random() < 0.9:
        return rng.choice(NUMBERS)
    return rng.choice(rng.choice([TEXTS, FILES, FILES, NUMBERS]))


def command_line(actions: Sequence[argparse.Action], rng: random.Random) -> list[str]:
    """A few options, most with values; words between them."""
    words: list[str] = []
    for action in rng.sample(list(actions), rng.randrange(min(5, len(actions)) + 1)):
        if not action.option_strings:
            words += [value(action, rng) for _ in range(rng.randrange(3))]
        elif action.nargs == 0:
            words.append(rng.choice(action.option_strings))
        else:
            option, given = rng.choice(action.option_strings), value(action, rng)
            words += rng.choice([[f"{option}={given}"], [option, given], [option, given]])
    return [word.replace("\0", "") for word in words]


# What keeps a command small, or from waiting for ever: given last, so that it counts.
ALWAYS = {
    "train": ["--steps", "1", "--device", "cpu", "--preset", "tiny"],
    "translate": [],
    "bpe": [],
}
NEVER = {"--serve", "--device"}  # a page waits for its end; a card is not tried here


def program(name: str, words: list[str], stdin: bytes, folder: Path) -> Callable[[], int | None]:
    """The command, as a child runs it."""

    def work() -> int | None:
        os.chdir(folder)
        signal.alarm(SECONDS)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
        reporting.draw_curves = lambda records, path: None
        sys.argv = [f"{name.partition(' ')[0]}.py", *words]
        sys.stdin = io.TextIOWrapper(io.BufferedReader(BytesAsFile(stdin)))
        if name.startswith("bpe"):
            return bpe.__main__.main(words)
        return {"train": train.main, "translate": translate.main}[name]()

    return work


class BytesAsFile(io.RawIOBase):
    """Standard input in memory."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:
        return self._content.readinto(buffer)


def check(status: int, said: str, what: object) -> None:
    """Raises AssertionError unless the program answered, or complained clearly."""
    assert "Traceback" not in said, (what, said)
    assert status in (0, 2), (what, status, said)
    assert status == 0 or said.strip(), what


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a text and a run."""
    small_run.smaller(monkeypatch)
    small_run.write_corpus(tmp_path / "data")
    small_run.write_model(tmp_path / "run")
    return tmp_path


@pytest.mark.parametrize("name", ["train", "translate", "bpe"])
def test_options(name, amount, tried, folder: Path):
    rng, all_actions, count = random.Random(name), parsers(), amount(170, 7000)
    statuses = []
    for _ in range(count):
        program_name = rng.choice([full for full in all_actions if full.partition(" ")[0] == name])
        actions = [action for action in all_actions[program_name] if not NEVER & {*action.option_strings}]
        words = [*program_name.split()[1:], *command_line(actions, rng), *ALWAYS[name]]
        if name == "train":
            words = ["--data", "data", "--vocabulary", "280", *words]
        if name == "translate":
            words = ["--model", "run", *words]
        status = children.done(program(program_name, words, b"the dog\nruns\n", folder), folder / "said")
        check(status, (folder / "said").read_text(errors="replace"), words)
        statuses.append(status)
    tried(f"{count} command lines: {statuses.count(0)} did what they said, {statuses.count(2)} were refused clearly")


STREAMS = [
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    "ü😀\u2028\x85\x0b".encode(),
    b"\t",
    b"a" * 999,
    b" " * 99,
]


@pytest.mark.parametrize("name", ["translate", "translate --score", "bpe encode", "bpe decode", "bpe train"])
def test_streams(name, amount, tried, folder: Path):
    rng, count, answered = random.Random(name), amount(100, 4000), 0
    words = name.split()[1:]
    if name.startswith("translate"):
        words += ["--model", "run", *([] if "--score" in words else ["--beam", "1"])]
    else:
        words += ["--output", "learned"] if "train" in name else ["--tokenizer", "run/tokenizer.json"]
    if "--score" in name:
        good = [b"the dog\tder Hund\n", b"one\teins\n", b"\xef\xbb\xbfone\teins\r\n", "\u2028\tü😀\n".encode()]
    else:
        good = [b"the dog runs", b"1 2 3", b"\n"]
    for _ in range(count):
        parts = [rng.choice([*STREAMS, rng.randbytes(rng.randrange(1, 9)), *good]) for _ in range(8)]
        stream = b"".join(parts[: rng.randrange(9)])
        program_name = name if name.startswith("bpe") else "translate"
        status = children.done(program(program_name, words, stream, folder), folder / "said")
        check(status, (folder / "said").read_text(errors="replace"), stream)
        answered += status == 0
    assert answered
    tried(f"{count} streams: {answered} answered, the others refused clearly")
