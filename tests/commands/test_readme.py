"""README: one screen, links that lead somewhere, and commands that print what it shows, with the shipped model."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, re.DOTALL)
# Commands that take minutes, or need files of the reader's own: their options are checked, they do not run.
LONG = (
    "train.py",
    "pip",
    "git",
    "python3",
    "docs/build.py",
    "docs/serve.py",
    "-m pytest",
    "gradcheck",
    "complete",
    "classify",
)


def commands():
    """(command, the output shown behind it or None) of every line of shell."""
    for i, (language, text) in enumerate(BLOCKS):
        if language != "sh":
            continue
        lines = [line.partition("#")[0].strip() for line in text.strip().split("\n")]
        shown = BLOCKS[i + 1][1] if i + 1 < len(BLOCKS) and BLOCKS[i + 1][0] == "" else None
        for number, line in enumerate(lines, 1):
            yield line, shown if number == len(lines) else None


def test_it_is_short():
    assert len(README.split()) <= 1000


def test_every_link_leads_somewhere():
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README)
    assert len(targets) > 10
    for target in targets:
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize(("command", "shown"), list(commands()))
def test_every_command_is_one_that_there_is(command, shown):
    """Programs and modules exist, and their --help knows the options."""
    words = shlex.split(command)
    for part in command.split("&&"):
        words = shlex.split(part)
        if words[0] == "mpiexec":
            words = words[3:]
        if words[:2] == ["python", "-m"]:
            module = words[2]
            if module == "pytest":
                continue
            program = [sys.executable, "-m", module]
        elif words[0] == "python" and words[1].endswith(".py"):
            assert (ROOT / words[1]).exists()
            if words[1].startswith("docs/"):
                continue
            program = [sys.executable, words[1]]
        else:
            continue
        told = subprocess.run([*program, "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for option in [word for word in words if word.startswith("--")]:
            assert option in told, (part, option)


RUN = [(command, shown) for command, shown in commands() if shown and not any(word in command for word in LONG)]


@pytest.mark.parametrize(("command", "shown"), RUN)
def test_what_it_shows_is_what_comes_out(command, shown, tmp_path):
    """In a folder without runs, where the shipped model answers; a check of an exercise needs what `start` made."""
    words = [sys.executable if word == "python" else word for word in shlex.split(command)]
    words = [str(ROOT / word) if word.endswith(".py") else word for word in words]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    if "check" in words:
        start = ["start" if word == "check" else word for word in words]
        subprocess.run(start, cwd=tmp_path, env=environment, capture_output=True, check=True)
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == shown


def test_its_python_runs_and_prints_what_it_shows(capsys):
    [text] = [text for language, text in BLOCKS if language == "python"]
    names: dict = {}
    exec(text, names)
    assert capsys.readouterr().out == "['Hallo!']\n"
    assert names["loss"] > 0
