"""score.py as a user sees it: the scores are sacreBLEU's, and every invalid use is one clear line."""

import gzip
import random
import sys
from pathlib import Path

import pytest
import sacrebleu

from numpy_transformer.commands import score

WORDS = ["der", "die", "Hund", "Katze", "Haus", "läuft", "sieht", "schläft", "heute", "nicht", "gern", "."]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """References; translations with few mistakes, the same in another order of mistakes, and with many."""
    draw = random.Random(1)
    references = [" ".join(draw.choices(WORDS, k=draw.randint(4, 9))) for _ in range(80)]

    def spoilt(share: float) -> list[str]:
        return [" ".join(w if draw.random() > share else "x" for w in line.split()) for line in references]

    texts = {"references": references, "good": spoilt(0.1), "alike": spoilt(0.1), "bad": spoilt(0.3)}
    for name, lines in texts.items():
        (tmp_path / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return {name: tmp_path / name for name in texts}


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["score.py", *map(str, arguments)])
        status = score.main()
        return status, *capsys.readouterr()

    return run


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_the_scores_are_sacrebleus(run, files):
    status, out, _ = run(files["references"], files["good"], "--samples", 0, "--ter", "--tokenised")
    hypotheses, references = lines_of(files["good"]), [lines_of(files["references"])]
    expected = [
        sacrebleu.corpus_bleu(hypotheses, references, force=True),
        sacrebleu.corpus_chrf(hypotheses, references),
        sacrebleu.corpus_bleu(hypotheses, references, tokenize="none", force=True),
        sacrebleu.corpus_ter(hypotheses, references),
    ]
    assert status == 0
    assert out.splitlines()[1].split()[1:] == [f"{one.score:.2f}" for one in expected]
    for signature in ("tok:13a", "tok:none", "nc:6", "tok:tercom"):
        assert signature in out


def test_a_difference_is_told_from_chance(run, files):
    status, out, _ = run(*files.values(), "--samples", 200)
    _, good, alike, bad = (line.split() for line in out.splitlines()[:4])
    assert status == 0
    assert "p" not in good
    assert float(alike[alike.index("p") + 2].rstrip(")")) > 0.05
    assert float(bad[bad.index("p") + 2].rstrip(")")) < 0.01


def test_text_that_looks_tokenised_is_noticed(run, files):
    assert "--tokenised adds" in run(files["references"], files["good"], "--samples", 0)[2]
    assert run(files["references"], files["good"], "--samples", 0, "--tokenised")[2] == ""


def test_compressed_files(run, files, tmp_path):
    packed = tmp_path / "good.gz"
    packed.write_bytes(gzip.compress(files["good"].read_bytes()))
    assert (
        run(files["references"], packed)[1].splitlines()[1].split()[1:]
        == run(files["references"], files["good"])[1].splitlines()[1].split()[1:]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["references", "nowhere"], "nowhere: no such file"),
        (["empty", "good"], "empty: is empty"),
        (["references", "short"], "short has 1 lines but"),
        (["references", "good", "good"], "is named twice"),
        (["references", "good", "--samples", "1"], "--samples is 1"),
        (["references", "good", "--samples", "-5"], "--samples is -5"),
    ],
)
def test_what_cannot_work_is_one_clear_line(run, files, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").touch()
    (tmp_path / "short").write_text("x\n")
    status, out, err = run(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
