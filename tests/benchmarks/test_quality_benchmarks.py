"""Table 3 at a laptop's scale and the time to a quality, on a text of a few words."""

import re
import sys

import pytest
from small_run import write_corpus

from benchmarks import table3, time_to_quality


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a script: module, arguments -> standard output."""

    def run(script, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", ["script", *map(str, arguments)])
        script.main()
        return capsys.readouterr().out

    return run


def test_rows_of_two_seeds_and_when_a_quality_was_reached(tmp_path, run, monkeypatch):
    rows = [row for row in table3.ROWS if row.name in ("base", "1 head", "label smoothing 0")]
    monkeypatch.setattr(table3, "ROWS", rows)
    monkeypatch.setattr(table3, "BASE", {"layers": 1, "d_model": 16, "d_ff": 24, "dropout": 0.1})
    write_corpus(tmp_path / "text")
    options = tmp_path / "options.toml"
    options.write_text(
        f"data = {str(tmp_path / 'text')!r}\nvocabulary = 280\nbatch_tokens = 100\nwarmup = 5\nworkers = 1\n"
    )
    arguments = [tmp_path / "runs", "--steps", 8, "--seeds", 0, 1, "--only", "A", "--config", options]
    table = run(table3, *arguments)
    assert re.findall(r"^\| A?\s*\| ([^|]+) \|", table, re.MULTILINE) == ["change", "base", "1 head"]
    assert len(re.findall(r"\d\.\d{4} \(\d\.\d{4} - \d\.\d{4}\)", table)) == 2
    assert run(table3, *arguments) == table  # read, not trained again

    said = run(time_to_quality, tmp_path / "runs/base-seed-0", "--targets", 0, 101)
    assert re.search(r"\| base-seed-0 \| 0 \| \d+\.\d \| 8 \|", said)
    assert "| base-seed-0 | 101 | not reached |" in said


def test_the_first_evaluation_that_is_good_enough_counts():
    scores = enumerate([3.0, 8.0, 7.0, 9.0], 1)
    log = [{"kind": "evaluation", "step": 10 * i, "bleu": bleu, "seconds": 60.0 * i} for i, bleu in scores]
    log.insert(0, {"kind": "step", "step": 1})
    assert time_to_quality.first_at_least(log, 7.5) == (2.0, 20, 8.0)
    assert time_to_quality.first_at_least(log, 9.5) is None
