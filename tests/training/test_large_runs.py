"""Runs on a text that stays in its files: the same run as on one in memory, resumed or begun by one command line."""

import random
from pathlib import Path

import pytest

import numpy_transformer as nt
from numpy_transformer.commands.learn_shortlist import learn_for_run
from numpy_transformer.commands.prepared_texts import main as list_prepared
from numpy_transformer.commands.train import as_one_text, parse_arguments
from numpy_transformer.data import large_corpus
from numpy_transformer.errors import InputError
from numpy_transformer.storage.tensors import load_tensors
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.training.training_step import TrainingStep
from numpy_transformer.translation import translator

SIZES = {"layers": 1, "d_model": 8, "d_ff": 12, "heads": 2, "vocabulary": 280, "batch_tokens": 100, "workers": 1}
SHORT = {**SIZES, "evaluate_every": 3, "warmup": 4, "average": 1, "quiet": True}


@pytest.fixture
def data(tmp_path: Path, monkeypatch) -> str:
    """A text of which every run believes that it is too large for memory."""
    monkeypatch.setenv("NUMPY_TRANSFORMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(large_corpus, "LARGE", 0)
    monkeypatch.setattr(translator, "EXTRA_LENGTH", 2)  # a model that has learned nothing ends no sentence before
    draw = random.Random(0)
    words = ["zero", "null", "one", "eins", "two", "zwei", "three", "drei", "four", "vier"]
    pairs = {tuple(draw.choices(range(5), k=draw.randint(1, 4))) for _ in range(90)}
    lines = [f"{' '.join(words[2 * i] for i in p)}\t{' '.join(words[2 * i + 1] for i in p)}" for p in sorted(pairs)]
    path = tmp_path / "numbers.tsv"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return str(path)


def state(path: Path) -> dict[str, bytes]:
    tensors, _ = load_tensors(RunFolder(path).training_file)
    return {name: tensor.tobytes() for name, tensor in tensors.items()}


def test_a_run_is_the_same_as_on_a_text_in_memory(data, tmp_path, monkeypatch):
    nt.train(data=data, run=tmp_path / "large", steps=5, **SHORT)
    assert (tmp_path / "cache" / "prepared").is_dir()
    monkeypatch.setattr(large_corpus, "LARGE", 1 << 40)
    nt.train(data=data, run=tmp_path / "small", steps=5, **SHORT)
    assert state(tmp_path / "large") == state(tmp_path / "small")
    words = [(tmp_path / name / "words.txt").read_bytes() for name in ("large", "small")]
    assert words[0] == words[1] != b""
    # and one goes on where the other was stopped
    monkeypatch.setattr(large_corpus, "LARGE", 0)
    nt.train(run=tmp_path / "small", resume=True, steps=7, quiet=True)
    nt.train(run=tmp_path / "large", resume=True, steps=7, quiet=True)
    assert state(tmp_path / "large") == state(tmp_path / "small")
    assert learn_for_run(tmp_path / "large").read_bytes() == learn_for_run(tmp_path / "small").read_bytes()


def test_one_call_begins_a_run_and_goes_on_with_it(data, tmp_path):
    options = {"data": data, "run": tmp_path / "run", "steps": 6, "resume_or_begin": True, **SHORT}
    steps: list[int] = []

    def stop_at_four(step: TrainingStep) -> bool:
        steps.append(step.step)
        return step.step < 4

    assert not nt.train(callback=stop_at_four, **options).finished
    begun = len(steps)
    assert nt.train(callback=lambda step: steps.append(step.step), **options).finished
    assert steps[begun:] == list(range(begun + 1, 7))
    nt.train(data=data, run=tmp_path / "whole", steps=6, **SHORT)
    assert state(tmp_path / "run") == state(tmp_path / "whole")
    with pytest.raises(InputError, match="--vocabulary 290 differs"):
        nt.train(**{**options, "vocabulary": 290})
    with pytest.raises(InputError, match="give one of them"):
        nt.train(resume=True, **options)


def test_without_a_name_it_is_always_the_same_run(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for steps in (2, 3):
        run = nt.train(data=data, steps=steps, resume_or_begin=True, **SHORT)
        assert (run.folder, run.finished) == (Path("runs/numbers"), True)
    assert [path.name for path in Path("runs").iterdir()] == ["numbers"]


def test_a_changed_text_does_not_go_on(data, tmp_path):
    nt.train(data=data, run=tmp_path / "run", steps=2, **SHORT)
    lines = Path(data).read_text(encoding="utf-8").splitlines()
    Path(data).write_text("".join(line + "\n" for line in lines[:-20]), encoding="utf-8")
    with pytest.raises(InputError, match="text is not the one this run began with"):
        nt.train(run=tmp_path / "run", resume=True, quiet=True)


def test_prepared_texts_are_listed_and_removed(data, tmp_path, monkeypatch, capsys):
    nt.train(data=data, run=tmp_path / "run", steps=1, **{**SHORT, "quiet": False})
    assert "prepared text: 0.0 MB in" in capsys.readouterr().out

    def say(*arguments: str) -> list[str]:
        monkeypatch.setattr("sys.argv", ["cache", *arguments])
        list_prepared()
        return capsys.readouterr().out.splitlines()

    (line, total) = say()
    name, size, unit, text = line.split()
    assert (unit, text) == ("MB", data)
    assert total == f"1 text, {size} MB, in {tmp_path / 'cache' / 'prepared'}"
    with pytest.raises(InputError, match=r"--remove nothing: .* holds no such text"):
        say("--remove", "nothing")
    assert say("--remove", name)[0].startswith("1 text removed, ")
    assert not list((tmp_path / "cache").rglob("*.ids"))
    nt.train(run=tmp_path / "run", resume=True, steps=2, quiet=True)
    assert say("--remove")[0].startswith("1 text removed, ")
    assert say()[0].startswith("0 texts, 0.0 MB")


def test_several_files_on_the_command_line():
    assert parse_arguments(["--data", "a.tsv", "b.tsv", "--steps", "1"]).data == "a.tsv,b.tsv"
    assert parse_arguments(["--data", "a,b.tsv"]).data == "a,b.tsv"
    with pytest.raises(InputError, match=r"--data b,c.tsv: of several files, none may have a comma"):
        as_one_text(["a.tsv", "b,c.tsv"])
