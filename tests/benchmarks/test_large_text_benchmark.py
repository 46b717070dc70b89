"""The benchmark of large texts runs, on a small one."""

import subprocess
import sys
from pathlib import Path

import pytest
import small_run

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "large_corpus.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_small_text(tmp_path):
    sentences, report = tmp_path / "sentences.tsv", tmp_path / "report.txt"
    sentences.write_text("".join(line + "\n" for line in small_run.numbers_in_words(90)), encoding="utf-8")
    (tmp_path / "work").mkdir()
    options = [
        "--pairs",
        "200",
        "--updates",
        "2",
        "--ordered",
        "500",
        "--folder",
        tmp_path / "work",
        "--output",
        report,
    ]
    subprocess.run([sys.executable, SCRIPT, sentences, *map(str, options)], check=True, stdout=subprocess.DEVNULL)
    lines = report.read_text(encoding="utf-8").splitlines()
    rows = {line.split()[0]: [float(cell.replace(",", "")) for cell in line.split()[1:]] for line in lines[4:6]}
    assert rows.keys() == {"first", "second"}
    for memory, mapped, _, seconds, cpu in rows.values():
        assert memory > mapped > 0
        assert seconds > 0 < cpu
    assert sum("order of an epoch of 500 pairs" in line for line in lines) == 3
    assert not list((tmp_path / "work").iterdir())
