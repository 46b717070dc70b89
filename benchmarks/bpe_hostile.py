# ruff: noqa: E402  (the search path must be set before the packages are imported)
"""Texts of a million characters that would stop a quadratic tokenizer.

    python benchmarks/bpe_hostile.py [--repeat N] [--data-dir DIR] [--output PATH]

Each pattern is encoded at 100,000 and at 1,000,000 characters, in its own process, with a tokenizer of 8,000 tokens
learned on Multi30k. The program prints the processor time of the fastest of N calls, the ratio of the two (10 is
linear; required: under 15), and the peak memory of the process (required: under 300 MB). Exit status 1 if one fails.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # benchmarks/bpe.py is called bpe too

import argparse
import json
import os
import random
import subprocess
import tempfile
import time

import bpe
from benchmarks.bpe_corpora import Report, data_folder, multi30k, peak_megabytes

LETTERS = random.Random(0).choices("etaoinshrdlucmfwypvbgkjqxz", k=1_000_000)
PATTERNS = {
    "one letter": lambda n: "a" * n,
    "two letters in turn": lambda n: "ab" * (n // 2),
    "one word of all letters": lambda n: "".join(LETTERS[:n]),
    "spaces": lambda n: " " * n,
    "newlines": lambda n: "\n" * n,
    "spaces and tabs in turn": lambda n: " \t" * (n // 2),
    "digits": lambda n: "1234567890" * (n // 10),
    "punctuation": lambda n: "!?" * (n // 2),
    "emoji": lambda n: "😀" * n,
    "families": lambda n: "👩\u200d" * (n // 2),
    "letters and spaces in turn": lambda n: "a " * (n // 2),
    "double spaces": lambda n: "word  " * (n // 6),
    "contractions": lambda n: "'s" * (n // 2),
}


def measure(name: str, tokenizer_path: str, repeat: int) -> None:
    """Print [seconds at 10^5, seconds at 10^6, peak memory in MB] of one pattern."""
    tokenizer = bpe.Tokenizer.load(tokenizer_path)
    tokenizer.encode("a b")
    fastest = []
    for length in (100_000, 1_000_000):
        text = PATTERNS[name](length)
        times = []
        for _ in range(repeat):
            start = time.process_time()
            ids = tokenizer.encode(text)
            times.append(time.process_time() - start)
            if tokenizer.decode(ids) != text:
                raise AssertionError(f"{name}: not given back")
            del ids
        fastest.append(min(times))
    print(json.dumps([*fastest, peak_megabytes()]))


def main() -> int:
    """Measure every pattern; return the exit status."""
    parser = argparse.ArgumentParser(description="Hostile sizes.")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--data-dir")
    parser.add_argument("--output", metavar="PATH", help="write PATH.txt and PATH.json")
    parser.add_argument("--measure", nargs=2, metavar=("PATTERN", "TOKENIZER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        name, tokenizer_path = options.measure
        measure(name, tokenizer_path, options.repeat)
        return 0
    report = Report()
    report(f"{'a text of':<28}{'10^5, ms':>10}{'10^6, ms':>10}{'ratio':>8}{'MB':>8}")
    good = True
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "tokenizer.json"))
        bpe.train(multi30k(data_folder(options.data_dir)), 8000).save(path)
        for name in PATTERNS:
            command = [sys.executable, __file__, "--repeat", str(options.repeat), "--measure", name, path]
            environment = {**os.environ, "PYTHONPATH": sys.path[0]}
            output = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
            small, large, memory = json.loads(output)
            passed = large / small < 15 and memory < 300
            good &= passed
            report.values[name] = {"seconds": [small, large], "ratio": large / small, "megabytes": memory}
            verdict = "" if passed else "  FAILED"
            report(f"{name:<28}{small * 1e3:>10.1f}{large * 1e3:>10.1f}{large / small:>8.1f}{memory:>8.0f}{verdict}")
    report("passed" if good else "FAILED")
    report.write(options.output)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
