"""The script for published Multi30k figures does what its first lines say, on a text of a few words."""

import re
import sys
from pathlib import Path

import pytest
from small_run import write_corpus

from benchmarks import multi30k

RECIPE = {"vocabulary": 280, "batch_tokens": 100, "warmup": 20, "dropout": 0.1, "average": 2}
RECIPE |= {"layers": 1, "d_model": 16, "d_ff": 24, "heads": 2}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The corpus's files by their own names, with a space before each final mark."""
    folder = write_corpus(tmp_path / "files")
    for path in list(folder.iterdir()):
        name = {"valid": "val", "test": multi30k.TEST}.get(path.stem, path.stem)
        lines = path.read_text(encoding="utf-8").splitlines()
        text = "".join(f"{line} .\n" for line in lines)
        (folder / f"{name}.lc.norm.tok{path.suffix}").write_text(text, encoding="utf-8")
        path.unlink()
    return folder


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs the script: arguments -> standard output."""
    monkeypatch.setattr(multi30k, "RECIPE", RECIPE)

    def run(*arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["multi30k.py", *map(str, arguments)])
        multi30k.main()
        return capsys.readouterr().out

    return run


def test_from_the_files_to_the_scores(files, tmp_path, run, monkeypatch):
    text, runs = tmp_path / "text", tmp_path / "runs"
    run("prepare", files, text)
    assert {path.name for path in text.iterdir()} == {
        f"{part}.{language}" for part in ("train", "valid", multi30k.TEST) for language in ("en", "de")
    }
    rows = ["recipe", "no BPE-dropout"]
    table = run("compare", text, runs, "--epochs", 2, "--workers", 1, "--only", *rows)
    assert re.findall(r"^\| ([^|]+?) \|", table, re.MULTILINE)[1:] == rows
    assert "BLEU (tokens)" in table
    assert run("compare", text, runs, "--epochs", 2, "--only", *rows) == table  # read, not trained again

    monkeypatch.setattr(multi30k, "BEAMS", (1, 2))
    monkeypatch.setattr(multi30k, "ALPHAS", (0.6, 1.0))
    hidden = text / f"{multi30k.TEST}.en"
    hidden.rename(tmp_path / "hidden")  # choosing does not look at it
    chosen = run("score", runs / "recipe", "--text", text)
    (tmp_path / "hidden").rename(hidden)
    assert re.search(r"chosen: mean of \d checkpoints?, beam [12], alpha", chosen)
    said = run("score", runs / "recipe", "--text", text, "--test", "--output", tmp_path / "translations")
    assert said.startswith(chosen)
    assert re.findall(r"BLEU .*tok:(none|13a)", said) == ["none", "13a"]
    assert len((tmp_path / "translations").read_text(encoding="utf-8").splitlines()) == 10
