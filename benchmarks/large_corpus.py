# ruff: noqa: E402  (the search path must be set before the packages are imported)
"""A text of millions of pairs: how much memory a run takes, how long until its first update, the first and second time?

    python benchmarks/large_corpus.py SENTENCES.tsv [--pairs 1000000] [--updates 20] [--ordered 4500000] [--folder DIR]
                                      [--output FILE]

The text is made larger by joining 2 to 5 sentences of SENTENCES.tsv (such as Tatoeba's) to a line, at random, the same
ones each time. It is written into the folder DIR, which is removed at the end, with the cache.

Then a process begins to train a tiny model on it, as train.py does, and stops after some updates; and another process
does the same, for which everything is prepared. Each says its peak memory (VmHWM of Linux, which counts pages of mapped
files, too; that of the largest process that prepares the text, apart), when the first update was made, and how much CPU
time had passed, which other programs on the machine hardly change. Last, the order of an epoch of 4.5 million pairs.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import tempfile
import time
from typing import Any

import numpy as np

import numpy_transformer as nt
from benchmarks.machine import libraries, machine
from numpy_transformer.data.epoch_order import batches_by_length
from numpy_transformer.data.files import read_tsv

JOINED = (2, 5)  # sentences of a line
BATCH_TOKENS = 4096


def main() -> None:
    """Measure, print and save."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sentences", help="FILE.tsv: source TAB target")
    parser.add_argument("--pairs", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--updates", type=int, default=20, metavar="N", help="before a process stops")
    parser.add_argument("--ordered", type=int, default=4_500_000, metavar="N", help="pairs of the epoch's order")
    parser.add_argument("--folder", type=Path, help="where there is space for the text and the cache")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--begun", type=float, help=argparse.SUPPRESS)  # a process that trains
    options = parser.parse_args()
    if options.begun is not None:
        print(json.dumps(trained(Path(options.sentences), options.begun, options.updates)))
        return
    lines = [str(machine()), str(libraries())]
    if options.folder is not None:
        Path(options.folder).mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        text = folder / "text.tsv"
        write_text(Path(options.sentences), text, options.pairs)
        lines.append(f"{options.pairs:,} pairs, {text.stat().st_size / 1e6:,.0f} MB; tiny, {options.updates} updates")
        titles = f"{'main process MB':>17}{'of it mapped':>14}{'others MB':>11}{'first update s':>16}{'CPU s':>8}"
        lines += [" " * 8 + titles]
        lines += [f"{name:8}{row(measured(text, folder, options.updates))}" for name in ("first", "second")]
        cache = sum(path.stat().st_size for path in (folder / "cache").rglob("*") if path.is_file())
        lines.append(f"kept in the cache folder: {cache / 1e6:,.0f} MB")
    finally:
        shutil.rmtree(folder)
    lines += order_lines(options.ordered)
    print("\n".join(lines))
    if options.output:
        options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_text(sentences: Path, path: Path, pairs: int) -> None:
    """So many lines of 2 to 5 sentences each."""
    text, draw = read_tsv(sentences), random.Random(0)
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(pairs):
            some = [draw.randrange(len(text)) for _ in range(draw.randint(*JOINED))]
            file.write(" ".join(text.sources[i] for i in some) + "\t" + " ".join(text.targets[i] for i in some) + "\n")


def measured(text: Path, folder: Path, updates: int) -> dict[str, float]:
    """What a process that trains on the text says of itself."""
    command = [sys.executable, __file__, str(text), "--updates", str(updates), "--begun", str(time.time())]
    environment = {**os.environ, "NUMPY_TRANSFORMER_CACHE": str(folder / "cache")}
    answer = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


def trained(text: Path, begun: float, updates: int) -> dict[str, float]:
    """Train for a moment: seconds and CPU seconds until the first update, peak memory in MB."""
    figures: dict[str, float] = {}

    def on_step(step: Any) -> bool:
        if step.step == 1:
            used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
            figures["seconds"] = time.time() - begun
            figures["cpu_seconds"] = sum(of.ru_utime + of.ru_stime for of in used)
            figures["others"] = used[1].ru_maxrss / 1e3
        return step.step < updates

    with tempfile.TemporaryDirectory(dir=text.parent) as run:
        nt.train(
            data=str(text), run=run, preset="tiny", batch_tokens=BATCH_TOKENS, steps=10**6, callback=on_step, quiet=True
        )
    status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    figures["main"] = int(status["VmHWM"].split()[0]) / 1e3
    figures["mapped"] = int(status["RssFile"].split()[0]) / 1e3
    return figures


def row(figures: dict[str, float]) -> str:
    """The figures of a process as a line of the table."""
    return (
        f"{figures['main']:17,.0f}{figures['mapped']:14,.0f}{figures['others']:11,.0f}"
        f"{figures['seconds']:16,.1f}{figures['cpu_seconds']:8,.1f}"
    )


def order_lines(pairs: int) -> list[str]:
    """How long the order of an epoch of so many pairs takes, for batches of several sizes."""
    draw = np.random.default_rng(0)
    target = (draw.gamma(4, 8, pairs) + 2).astype(np.uint16)
    source = np.maximum(1, target * draw.normal(1, 0.15, pairs)).astype(np.uint16)
    lines = []
    for batch_tokens in (1024, 4096, 25_000):
        started, cpu = time.perf_counter(), time.process_time()
        batches = batches_by_length((source, target), batch_tokens, seed=0, epoch=1)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        lines.append(
            f"order of an epoch of {pairs:,} pairs, batches of {batch_tokens:,} tokens: {seconds:.2f} s "
            f"(CPU {cpu:.2f} s), {len(batches):,} batches"
        )
    return lines


if __name__ == "__main__":
    main()
