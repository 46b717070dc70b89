# ruff: noqa: E402  (path and environment must be set before the packages are imported)
"""How time and memory of a training step grow with batch, workers, length, width and vocabulary.

    python benchmarks/performance_scaling.py --grow batch --grow workers --json scaling.json --plot scaling.png

The program starts from the tiny preset with a vocabulary of 8,000 and sentences of 16 tokens, and changes one size at a
time. Everything runs in one process; each round visits every point once, and a point's time is that of its fastest step
in any round. FLOP/s counts matrix products by the formula of training/costs.py. The share is relative to the best
product of 2048 x 2048 in the same run on as many threads. Memory is the peak of all arrays in a step, by tracemalloc,
with the estimate of the same file beside it.
"""

import os
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where benchmarks/bpe.py is called bpe too
os.environ.pop("OPENBLAS_CORETYPE", None)  # before NumPy is loaded: it would pin the kernels

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.machine import libraries, machine
from numpy_transformer.data.batching import Batch
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.costs import StepSize, step_bytes, step_flops
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import Workers, physical_cores

LENGTH, TOKENS, VOCABULARY = 16, 4096, 8000
GROWS = {
    "batch": "target tokens in a batch",
    "workers": "workers",
    "length": "tokens in a sentence, source and target",
    "width": "D",
    "vocabulary": "V",
}


class Point(NamedTuple):
    curve: str
    x: int
    config: TransformerConfig
    size: StepSize
    workers: int
    threads: int  # of BLAS in each worker


def points(grow: str, cores: int) -> list[Point]:
    """What to measure for one size that grows."""
    tiny = TransformerConfig.preset("tiny", vocabulary_size=VOCABULARY)
    base = TransformerConfig.preset("base", vocabulary_size=VOCABULARY)

    def size(tokens: int, length: int = LENGTH) -> StepSize:
        return StepSize(max(1, tokens // length), length, length)

    if grow == "batch":
        ways = [("one worker, BLAS threads", 1, cores)]
        ways += [(f"{count} workers", count, 1) for count in sorted({2, cores}) if 1 < count <= cores]
        return [
            Point(f"{name}: {way}", tokens, config, size(tokens), workers, threads)
            for name, config, batches in (
                ("tiny", tiny, (64, 128, 256, 512, 1024, 2048, 4096)),
                ("base", base, (64, 128, 256, 512, 1024)),
            )
            for way, workers, threads in ways
            for tokens in batches
        ]
    if grow == "workers":
        return [
            Point(name, count, config, size(tokens), count, 1)
            for name, config, tokens in (("tiny", tiny, TOKENS), ("base, 512 tokens", base, 512))
            for count in range(1, cores + 1)
        ]
    if grow == "length":
        return [
            Point("4,096 tokens a batch", length, tiny, size(TOKENS, length), cores, 1)
            for length in (8, 16, 32, 64, 128, 256, 512, 1024)
        ]
    if grow == "width":
        return [
            Point(
                "4 + 4 layers, F = 2 D, K = 32",
                width,
                tiny.replace(d_model=width, d_ff=2 * width, heads=width // 32),
                size(1024),
                cores,
                1,
            )
            for width in (64, 128, 256, 512, 1024)
        ]
    return [
        Point("tiny", tokens, tiny.replace(vocabulary_size=tokens), size(TOKENS), cores, 1)
        for tokens in (1000, 2000, 4000, 8000, 16000, 32000, 64000)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="training speed against one size at a time")
    parser.add_argument("--grow", action="append", choices=list(GROWS), help="may be given several times (all)")
    parser.add_argument("--cores", type=int, default=physical_cores(), help="most threads to use (the physical cores)")
    parser.add_argument("--rounds", type=int, default=3, help="visits of each point (3)")
    parser.add_argument("--seconds", type=float, default=0.5, help="time at a point in each round (0.5)")
    parser.add_argument(
        "--json", type=Path, help="write everything measured to this file; sizes that it holds are kept"
    )
    parser.add_argument("--plot", type=Path, help="draw everything in the JSON file to this PNG")
    options = parser.parse_args()
    known = json.loads(options.json.read_text()) if options.json and options.json.exists() else {}
    for grow in options.grow or list(GROWS):
        known[grow] = measure(points(grow, options.cores), options)
        print_table(grow, known[grow])
    if options.json:
        options.json.write_text(json.dumps(known, indent=1) + "\n")
    if options.plot:
        draw(known, options.plot)


def measure(chosen: list[Point], options: argparse.Namespace) -> dict[str, Any]:
    """The fastest step of each point, and the fastest product for each number of threads."""
    steps: dict[Point, float] = {}
    peaks: dict[int, float] = {}
    memory = {point: peak_of_arrays(point) for point in chosen}
    for _ in range(options.rounds):
        for point in chosen:
            with threadpool_limits(limits=point.threads, user_api="blas"):
                seconds = fastest_step(point, options.seconds)
            steps[point] = min(seconds, steps.get(point, seconds))
        for threads in {point.workers * point.threads for point in chosen}:
            with threadpool_limits(limits=threads, user_api="blas"):
                peaks[threads] = max(product_speed(), peaks.get(threads, 0))
    rows = []
    for point, seconds in steps.items():
        flops = step_flops(point.config, point.size) / seconds
        rows.append(
            {
                "curve": point.curve,
                "x": point.x,
                "tokens_per_second": point.size.sentences * point.size.target_length / seconds,
                "step_seconds": seconds,
                "gflops": flops / 1e9,
                "of_peak": flops / peaks[point.workers * point.threads],
                "memory": memory[point][0],
                "estimated_memory": memory[point][1],
            }
        )
    return {"machine": machine(), "libraries": libraries(), "rows": rows}


def fastest_step(point: Point, seconds: float) -> float:
    """Seconds of the fastest of the steps that fit in the time, at least two, after one warm-up step."""
    model, batch = Transformer(point.config), make_batch(point)
    adam = Adam.for_parameters(model.parameters.flat)
    times: list[float] = []
    with Workers(model, point.workers) as workers:
        train(workers, adam, batch)
        while len(times) < 2 or sum(times) < seconds:
            times.append(seconds_of(lambda: train(workers, adam, batch)))
    return min(times)


def peak_of_arrays(point: Point) -> tuple[int, int]:
    """Peak bytes of all arrays in a step: measured, and by the formula."""
    batch = make_batch(point)
    tracemalloc.start()
    model = Transformer(point.config)
    adam = Adam.for_parameters(model.parameters.flat)
    with Workers(model, point.workers) as workers:
        tracemalloc.reset_peak()
        train(workers, adam, batch)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak, step_bytes(point.config, model.parameters.flat.size, point.size, workers=point.workers)


def make_batch(point: Point) -> Batch:
    rng = np.random.default_rng(0)
    sentences, length, _ = point.size
    source, target = rng.integers(3, point.config.vocabulary_size, (2, sentences, length))
    return Batch(source, np.insert(target, 0, point.config.bos_id, axis=1), target.size)


def train(workers: Workers, adam: Adam, batch: Batch) -> None:
    workers.step(adam, [batch], rate=1e-4, seed=(0, adam.step), label_smoothing=0.1)


def product_speed() -> float:
    """FLOP/s of the best of several matrix products."""
    a, b = np.random.default_rng(0).random((2, 2048, 2048), dtype=np.float32)
    out = np.empty_like(a)
    return 2 * len(a) ** 3 / min(seconds_of(lambda: np.matmul(a, b, out=out)) for _ in range(5))


def seconds_of(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def print_table(grow: str, measured: dict[str, Any]) -> None:
    host = measured["machine"]
    print(f"\n{host['cpu']}, {host['cpus']} CPUs, load {host['load']}; numpy {measured['libraries']['numpy']}")
    print(
        f"{'':32}{GROWS[grow]:>42}{'tokens/s':>10}{'step ms':>9}{'GFLOP/s':>9}{'of peak':>9}{'MB':>9}{'(formula)':>11}"
    )
    for row in measured["rows"]:
        print(
            f"{row['curve']:32}{row['x']:42,}{row['tokens_per_second']:10,.0f}{1e3 * row['step_seconds']:9.1f}"
            f"{row['gflops']:9.0f}{row['of_peak']:9.0%}{row['memory'] / 1e6:9,.0f}"
            f"{row['estimated_memory'] / 1e6:11,.0f}"
        )


def draw(known: dict[str, Any], path: Path) -> None:
    """One panel for each size: tokens per second against it."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator

    grows = [grow for grow in GROWS if grow in known]
    figure, panels = plt.subplots(2, len(grows), figsize=(2.9 * len(grows), 6), layout="constrained", squeeze=False)
    for (speed, memory), grow in zip(panels.T, grows, strict=True):
        rows = known[grow]["rows"]
        for number, curve in enumerate(dict.fromkeys(row["curve"] for row in rows)):
            of_curve = [row for row in rows if row["curve"] == curve]
            xs, style = [row["x"] for row in of_curve], {"color": f"C{number}", "marker": "o", "markersize": 4}
            speed.plot(xs, [row["tokens_per_second"] for row in of_curve], label=curve, **style)
            memory.plot(xs, [row["memory"] / 1e6 for row in of_curve], label=curve, **style)
            memory.plot(xs, [row["estimated_memory"] / 1e6 for row in of_curve], color=f"C{number}", linestyle=":")
        for panel in (speed, memory):
            ticks = sorted({row["x"] for row in rows})
            if grow != "workers":
                panel.set_xscale("log", base=2)
            panel.set_xticks(ticks, labels=[f"{x:,}" for x in ticks], rotation=0 if grow == "workers" else 60)
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
            panel.minorticks_off()
            panel.grid(alpha=0.3)
        speed.legend(fontsize=6.5, handlelength=1)
        memory.set_xlabel(GROWS[grow])
    panels[0][0].set_ylabel("target tokens per second")
    panels[1][0].set_ylabel("MB at the peak (dotted: formula)")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
