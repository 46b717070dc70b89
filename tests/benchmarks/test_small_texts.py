"""The benchmark of the defaults for one's own text runs as its first lines say."""

import random
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "small_texts.py"


def test_a_small_table(tmp_path):
    rng = random.Random(0)
    for name in ("train.tsv", "valid.tsv"):
        lines = [" ".join(rng.choices("abcdefgh", k=4)) for _ in range(60)]
        (tmp_path / name).write_text("".join(f"{line}\t{line}\n" for line in lines), encoding="utf-8")
    options = ["--pairs", "50", "--tokens", "500", "--change", "dropout - 0.1"]
    command = [sys.executable, SCRIPT, tmp_path / "train.tsv", tmp_path / "valid.tsv", *options]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert [line.split()[:2] for line in said.splitlines()[1:3]] == [["50", "default"], ["50", "dropout"]]
    assert "the default is" in said
