# ruff: noqa: E402  (path and environment must be set before the packages are imported)
"""What each trick gains: a training step with all of them, compared with the same step without one at a time.

    python benchmarks/performance_ablation.py --preset tiny --json ablation.json --plot ablation.png
    python benchmarks/performance_ablation.py --trick memory --trick chunks

The tricks and their plain twins are in performance_tricks.py. A step is that of `Workers.step`, with dropout 0.1, over
two batches whose sentences have natural lengths: 13 words on average, plus or minus 4. The tricks for long sentences
are measured on one batch of two sentences of 2,048 tokens.

In each round every batch takes a step with the trick and one without it, in turn, in one process. Tricks that cannot be
switched in a running process (memory, kernels) get two fresh processes per round. The program prints the time without
the trick over the time with it (median, lowest and highest of the rounds; above 1 the trick pays). It prints the same
ratio for processor time, which other programs disturb less but which leaves out waiting, and for peak memory: of all
arrays, or of the whole process if it is a fresh one.
"""

import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where benchmarks/bpe.py is called bpe too

import argparse
import json
import resource
import statistics
import subprocess
import time
import tracemalloc
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np

from benchmarks.machine import available_cpus, libraries, machine, peak_memory
from benchmarks.performance_tricks import TRICKS, Setup, switched_off
from numpy_transformer.data.batching import Batch, EncodedText, epoch_batches
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import Workers

STATES = ["with", "without"]


def main() -> None:
    options = parse_options()
    if options.state:  # a child process
        print(json.dumps(measure(options.trick[0], options.state.split(","), options)))
        return
    known = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    for name in options.trick or TRICKS:
        known[name] = compare(name, options)
        print(line(name, known[name]), file=sys.stderr)
    known = {name: known[name] for name in TRICKS if name in known}
    last = known[name]
    print(
        f"{last['machine']['cpu']}, {last['machine']['cpus']} CPUs; {last['machine']['system']}; numpy {last['numpy']}"
    )
    print(
        f"{options.preset}, vocabulary {options.vocabulary:,}, batches of {options.tokens:,} tokens, {options.workers} "
        f"CPUs\n\n{'the trick':40}{'instead of it':40}{'time':>6}{'(rounds)':>15}{'processor':>11}{'memory':>8}"
    )
    print("\n".join(line(name, result) for name, result in known.items()))
    if options.json:
        options.json.write_text(json.dumps(known, indent=1) + "\n")
    if options.plot:
        draw(known, options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="a training step with one trick at a time switched off")
    parser.add_argument("--preset", default="tiny", help="size of the model (tiny)")
    parser.add_argument("--vocabulary", type=int, default=8000, help="vocabulary size (8000)")
    parser.add_argument("--tokens", type=int, default=4096, help="target tokens of a batch (4096)")
    parser.add_argument("--workers", type=int, default=2, help="CPUs, each with a worker (2)")
    parser.add_argument("--trick", action="append", choices=list(TRICKS), help="only this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=5, help="comparisons of each trick (5)")
    parser.add_argument("--json", type=Path, help="write everything measured to this file; what it holds is kept")
    parser.add_argument("--plot", type=Path, help="draw everything in the JSON file to this PNG")
    parser.add_argument("--state", help=argparse.SUPPRESS)
    return parser.parse_args()


def compare(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds per token in each round, by the clock and on processors, and peak memory: [with it, without] each."""
    if not TRICKS[name].fresh_process:
        return spawn(name, STATES, options)
    rounds = []
    for number in range(options.rounds):
        pair = {state: spawn(name, [state], options) for state in (STATES if number % 2 == 0 else STATES[::-1])}
        rounds.append([pair[state] for state in STATES])
    return {
        **rounds[0][0],
        "seconds": [[min(side["seconds"])[0] for side in pair] for pair in rounds],
        "processor": [[min(side["processor"])[0] for side in pair] for pair in rounds],
        "memory": [max(pair[side]["process_memory"] for pair in rounds) for side in range(2)],
        "page_faults": [statistics.median(pair[side]["page_faults"] for pair in rounds) for side in range(2)],
        "system_seconds": [statistics.median(pair[side]["system_seconds"] for pair in rounds) for side in range(2)],
    }


def spawn(name: str, states: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """Measure in a fresh process, pinned to as many CPUs as there are workers."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(options.workers)}
    environment.pop("OPENBLAS_CORETYPE", None)
    if name == "kernel" and states == ["without"]:
        environment["OPENBLAS_CORETYPE"] = "Haswell"
    arguments = [
        value for key in ("preset", "vocabulary", "tokens", "workers") for value in (f"--{key}", getattr(options, key))
    ]
    arguments += ["--rounds", options.rounds if len(states) > 1 else 6, "--trick", name, "--state", ",".join(states)]
    command = [sys.executable, __file__, *map(str, arguments)]
    cpus = available_cpus()[: options.workers]
    pin = (lambda: os.sched_setaffinity(0, cpus)) if hasattr(os, "sched_setaffinity") else None
    output = subprocess.run(command, env=environment, preexec_fn=pin, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(output.stdout)


def measure(name: str, states: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """Seconds for each target token, by round and state; the peak of all arrays by state, and of the process."""
    runs = {state: Run(name, options, without=state == "without") for state in states}
    memory = []
    for run in runs.values():  # a round to warm up, in which the arrays are weighed
        tracemalloc.start()
        for batch in run.batches:
            run.step(batch)
        memory.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    process_memory = peak_memory() or 0
    seconds, processor = [], []
    before = resource.getrusage(resource.RUSAGE_SELF)
    for number in range(options.rounds):
        taken = {state: np.zeros(2) for state in states}
        for index in range(len(runs[states[0]].batches)):
            for state in states if (number + index) % 2 == 0 else states[::-1]:
                taken[state] += runs[state].step(runs[state].batches[index])
        each = [taken[state] / sum(batch.token_count for batch in runs[state].batches) for state in states]
        seconds.append([clock for clock, _ in each])
        processor.append([on_processors for _, on_processors in each])
    after, steps = resource.getrusage(resource.RUSAGE_SELF), options.rounds * len(states) * len(run.batches)
    return {
        "machine": machine(),
        "numpy": libraries()["numpy"],
        "page_faults": (after.ru_minflt - before.ru_minflt) / steps,  # in a step
        "system_seconds": (after.ru_stime - before.ru_stime) / steps,
        "seconds": seconds,
        "processor": processor,
        "memory": memory,
        "process_memory": process_memory,
    }


class Run:
    """A model in training, with every trick or without one."""

    def __init__(self, name: str, options: argparse.Namespace, *, without: bool) -> None:
        self.setup = Setup(options.workers)
        self.switched = partial(switched_off, name, self.setup) if without else nullcontext
        with self.switched():
            config = TransformerConfig.preset(options.preset, vocabulary_size=options.vocabulary)
            self.model = Transformer(config, dtype=self.setup.dtype, recompute=self.setup.recompute)
            self.batches = make_batches(config, options.tokens, self.setup, long=TRICKS[name].long)
        self.adam = Adam.for_parameters(self.model.parameters.flat)

    def step(self, batch: Batch) -> np.ndarray:
        """The seconds that one step takes, and the seconds that its threads spend on a processor."""
        with self.switched(), Workers(self.model, self.setup.workers) as workers:
            before = np.array([time.perf_counter(), time.process_time()])
            workers.step(self.adam, [batch], rate=1e-4, seed=(0, self.adam.step), label_smoothing=0.1)
            return np.array([time.perf_counter(), time.process_time()]) - before


def make_batches(config: TransformerConfig, tokens: int, setup: Setup, *, long: bool) -> list[Batch]:
    """Two batches out of a shuffled corpus of random words, or one of two long sentences."""
    rng = np.random.default_rng(0)
    if long:
        source_lengths = target_lengths = np.full(2, 2047)
        tokens = 4096
    else:
        source_lengths = np.clip(rng.normal(13, 4, 6000), 3, 40).astype(int)
        target_lengths = np.clip(source_lengths + rng.normal(0, 2, 6000), 3, 40).astype(int)
    sides = [
        [rng.integers(3, config.vocabulary_size, n).tolist() for n in lengths]
        for lengths in (source_lengths, target_lengths)
    ]
    text = EncodedText.from_ids(*sides, config)
    if setup.sorted_by_length:
        batches = epoch_batches(text, tokens, seed=0)
    else:  # as many sentences of any length as fit when padded
        count = tokens // max(map(len, text.targets))
        batches = np.split(rng.permutation(len(text)), range(count, len(text), count))
    return [text.batch(indices, config.pad_id) for indices in batches[:2]]


def ratios(result: dict[str, Any], clock: str = "seconds") -> list[float]:
    """Time without the trick over time with it, by round."""
    return [without / with_it for with_it, without in result[clock]]


def line(name: str, result: dict[str, Any]) -> str:
    values, processor = ratios(result), statistics.median(ratios(result, "processor"))
    return (
        f"{TRICKS[name].title:40}{TRICKS[name].instead:40}{statistics.median(values):6.2f}"
        f"{f'{min(values):.2f} - {max(values):.2f}':>15}{processor:11.2f}"
        f"{result['memory'][1] / result['memory'][0]:8.2f}"
    )


def draw(known: dict[str, Any], options: argparse.Namespace) -> None:
    """A bar for each trick, the largest gain on top, with the range of its rounds."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    names = sorted(known, key=lambda name: statistics.median(ratios(known[name])))
    values = np.array([[statistics.median(r), min(r), max(r)] for r in (ratios(known[name]) for name in names)])
    middle, low, high = values.T
    figure, axes = plt.subplots(figsize=(9, 0.3 * len(names) + 1.2), layout="constrained")
    axes.barh([TRICKS[name].title for name in names], middle - 1, left=1, color="tab:blue", alpha=0.7)
    axes.hlines(range(len(names)), low, high, color="black", linewidth=1.5, label="lowest to highest round")
    processor = [statistics.median(ratios(known[name], "processor")) for name in names]
    axes.plot(processor, range(len(names)), "o", color="tab:orange", markersize=5, label="processor time")
    axes.legend(loc="lower right")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    ticks = [tick for tick in (0.5, 0.7, 1, 1.2, 1.5, 2, 3, 5, 8, 12) if low.min() * 0.95 < tick < high.max() * 1.2]
    axes.set_xticks(ticks, labels=map(str, ticks))
    axes.minorticks_off()
    axes.set_xlabel("time of a step without the trick / with it")
    axes.set_title(f"{options.preset}, batches of {options.tokens:,} tokens, {options.workers} CPUs")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(options.plot, dpi=110)


if __name__ == "__main__":
    main()
