"""What has no end, or no sense, is refused in one line: values, files, lines, names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_translate_cli import make_run

from bpe.__main__ import LONGEST_LINE
from bpe.arguments import CommandParser
from numpy_transformer.decoding.constraints import Constraints
from numpy_transformer.errors import InputError
from numpy_transformer.training.options import TrainingOptions, read_toml
from numpy_transformer.translation.search_options import SearchOptions
from numpy_transformer.translation.translator import Translator

ROOT = Path(__file__).resolve().parents[2]
HUGE = 10**21


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"accumulate": 999_999_999}, "--accumulate is 999999999; it must be at most 10,000"),
        ({"seed": HUGE}, "--seed is 10+; it must be at most 1,000,000,000,000,000"),
        ({"minutes": 10**400}, "--minutes is 10+; it must be"),
        ({"data": "a\0b.tsv"}, "--data is .*; it must be text without the character NUL"),
    ],
)
def test_options_of_training(options, message):
    with pytest.raises(InputError, match=message):
        TrainingOptions(**options)


@pytest.mark.parametrize("name", ["minimum_length", "maximum_length", "no_repeat_ngram"])
def test_lengths_of_translations(name):
    with pytest.raises(InputError, match="it must be at most 10,000"):
        Constraints(**{name: HUGE})


@pytest.mark.parametrize("name", ["beam", "n_best"])
def test_width_of_the_search(name):
    with pytest.raises(InputError, match="it must be at most 10,000"):
        SearchOptions(**{"beam": 10_000, name: HUGE})


def test_required_words(tmp_path):
    translator = Translator.load(make_run(tmp_path / "run"))
    constraints = Constraints(required=tuple(f"word {i}" for i in range(400)))
    with pytest.raises(InputError, match=r"the required terms have .* tokens; require at most 256"):
        translator.hypotheses(["the dog"], constraints=constraints)


def test_dashes_are_no_value(capsys):
    parser = CommandParser(prog="x")
    parser.add_argument("--attention")
    parser.add_argument("text", nargs="*")
    assert parser.parse_args(["--attention", "a.png", "--", "--attention=--"]).text == ["--attention=--"]
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(["--attention=--"])
    assert caught.value.code == 2
    assert capsys.readouterr().err.endswith("argument --attention: expected one argument, not --\n")


@pytest.mark.parametrize(
    "command",
    [
        ["translate.py", "x", "--attention=--"],
        ["translate.py", "x", "--ban=--"],
        ["train.py", "--run=--"],
        ["-m", "bpe", "train", "--output", "o", "--pattern=--"],
        ["-m", "numpy_transformer.shortlist", "run", "--frequent=--"],
        ["-m", "numpy_transformer.export", "run", "out", "--to=--"],
        ["-m", "numpy_transformer.gradcheck", "--seed=--"],
        ["-m", "numpy_transformer.data.phrasebook", "--count=--"],
    ],
)
def test_no_program_takes_dashes_for_a_value(command):
    result = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert result.returncode == 2
    assert "expected one argument, not --" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no endless device")
def test_endless_files():
    with pytest.raises(InputError, match="--config /dev/zero: longer than 1,048,576 bytes"):
        read_toml("/dev/zero")
    with pytest.raises(InputError):
        Translator.load("/dev/zero")


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no endless device")
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("tokenizer.json", ["translate.py", "--model", "run", "dog"]),
        ("config.json", ["train.py", "--resume", "--run", "run"]),
    ],
)
def test_endless_files_of_a_run(name, command, tmp_path):
    run = make_run(tmp_path / "run")
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to("/dev/zero")
    result = program(*command, cwd=tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert name in result.stderr


@pytest.mark.parametrize("content", ["[" * 100_000, '{"options": ' + "[" * 100_000, '{"a": ' * 100_000])
def test_deeply_nested_json(content, tmp_path):
    run = make_run(tmp_path / "run")
    (run / "config.json").write_text(content)
    result = program("train.py", "--resume", "--run", "run", cwd=tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "config.json" in result.stderr
    assert program("translate.py", "--model", "run", "dog", cwd=tmp_path).returncode == 0
    (tmp_path / "options.toml").write_text("a = " + content)
    with pytest.raises(InputError, match="not TOML"):
        read_toml(tmp_path / "options.toml")


def test_a_line_without_an_end_takes_no_more_memory_than_the_limit(tmp_path):
    run = make_run(tmp_path / "run")
    command = [sys.executable, "-m", "bpe", "encode", "--tokenizer", str(run / "tokenizer.json")]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as p:
        try:
            for _ in range(LONGEST_LINE >> 19):
                p.stdin.write(b"x" * (1 << 20))
        except BrokenPipeError:
            pass
        out, error = p.communicate()
    assert (p.returncode, out) == (2, b"")
    assert error.endswith(b"standard input, line 1: 16,777,216 bytes long or longer; split it into shorter lines\n")


def program(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / arguments[0]), *arguments[1:]]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={**os.environ, "COLUMNS": "80"})
