"""Target tokens per second of a training step on one GPU: ours and PyTorch's nn.Transformer on the same card.

    python benchmarks/gpu_training.py --preset base --tokens 25000 --vocabulary 37000 --json result.json
    python benchmarks/gpu_training.py --preset tiny --tokens 4096 --vocabulary 8000 --sides "ours tf32" "PyTorch tf32"

The work is that of training_step.py: random ids, dropout, label smoothing, Adam, one embedding shared three ways. Each
side runs in a fresh process and times every step with events on the card, after warm-up; the table gives the median.
Our step reads its results once in ten steps, as in training; PyTorch's loss is never read. "of peak" is the share of
the best matrix product that any side reached in this run in the same precision (training_step.py explains how it counts
the FLOPs of a step). Memory is the most that the side's allocator took from the card. "kernels" are launches of one
step, and "busy" is the share of the step in which one runs, both according to PyTorch's profiler. The file --json lists
the longest kernels and is rewritten after each side.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from gpu_clock import card_name, launches
from training_step import ROOT

# Ours first, then what it is compared with: should the time end early, the targets have been measured.
SIDES = {
    "ours bfloat16": ("ours", "bfloat16", False),
    "PyTorch bfloat16 compiled": ("torch", "bfloat16", True),
    "ours tf32": ("ours", "tf32", False),
    "PyTorch tf32 compiled": ("torch", "tf32", True),
    "ours float32": ("ours", "float32", False),
    "PyTorch bfloat16": ("torch", "bfloat16", False),
    "PyTorch tf32": ("torch", "tf32", False),
    "PyTorch float32": ("torch", "float32", False),
    "PyTorch float32 compiled": ("torch", "float32", True),
}
RECIPE_STEPS = 100_000  # of the paper's base model
WARM_UP, PROFILED = 10, 3  # steps


class Side(NamedTuple):
    """What a library brings to be measured."""

    step: Callable[[int], object]
    finish: Callable[[], object]  # waits for the card
    event: Callable[[], Any]
    elapsed: Callable[[Any, Any], float]  # milliseconds between two events
    memory: Callable[[], int]
    product: Callable[[int], object]
    card: str
    libraries: dict[str, str]


def main() -> None:
    options = parse_options()
    if options.side:  # a child process
        for result in run_side(options):
            print(json.dumps(result), flush=True)
        return
    print(
        f"{options.preset}, {options.tokens:,} target tokens a batch in sentences of {options.length}, vocabulary "
        f"{options.vocabulary:,}, {options.steps} steps"
    )
    results: dict[str, dict[str, Any]] = {}
    for side in options.sides:
        result = spawn(side, options.side_seconds)
        if result is None:
            continue
        results[side] = result
        print(f"{side}: {result['tokens_per_second']:,.0f} tokens/s on {result['card']}", file=sys.stderr)
        if options.json:
            content = {"options": vars(options), "results": results}
            options.json.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
    if not results:
        sys.exit("no side ran")
    print(report(results))


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="target tokens/s of a step on a GPU",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--preset", default="base", help="size of the model: tiny, small, base or big")
    parser.add_argument("--vocabulary", type=int, default=37000, help="vocabulary size")
    parser.add_argument("--tokens", type=int, default=25000, help="target tokens of a batch")
    parser.add_argument("--length", type=int, default=25, help="tokens of a sentence, source and target")
    parser.add_argument("--steps", type=int, default=50, help="steps that are timed")
    parser.add_argument("--product", type=int, default=8192, help="size of the matrix product that gives the peak")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES), help="what is measured")
    parser.add_argument("--side-seconds", type=float, default=240, help="a side that takes longer is left out")
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not 1 <= options.length <= options.tokens or options.steps < 1 or options.product < 1:
        parser.error("--steps, --product and --length must be at least 1, --tokens at least --length")
    return options


def spawn(side: str, seconds: float) -> dict[str, Any] | None:
    """The last that a side told, from a process of its own; None if it told nothing. Says so where it failed."""
    command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            told, _ = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            print(f"{side}: stopped after {seconds:.0f} s", file=sys.stderr)
            child.kill()
            told, _ = child.communicate()
        else:
            if child.returncode:
                print(f"{side}: failed, see above", file=sys.stderr)
    results = [line for line in told.split("\n") if line.startswith("{")]
    return json.loads(results[-1]) if results else None


# --- One side ---


def prepare(options: argparse.Namespace) -> tuple[Side, float]:
    """The side, ready to step, and the operations of its step.

    Imports here, so that a process holds only what its side uses.
    """
    sys.path.insert(0, str(ROOT))
    from training.work import model_flops, random_batch

    from numpy_transformer.models.config import TransformerConfig

    library, precision, compiled = SIDES[options.side]
    config = TransformerConfig.preset(options.preset, vocabulary_size=options.vocabulary)
    source, target = random_batch(config, options.tokens // options.length, options.length)
    matrix = np.random.default_rng(0).standard_normal((options.product, options.product), dtype=np.float32)
    if library == "ours":
        side = ours(config, source, target, precision, matrix)
    else:
        side = torch_side(config, source, target, precision, compiled, matrix)
    return side, model_flops(config, source, target)


def run_side(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What was measured; then again, with what a profiler saw, which could still go wrong."""
    side, flops = prepare(options)
    times = timed(side.step, side, options.steps)
    memory = side.memory()  # before the matrices of the product
    product = min(timed(side.product, side, 10))

    def profiled() -> None:
        for number in range(PROFILED):
            side.step(number)
        side.finish()

    milliseconds = statistics.median(times)
    result = {
        "card": side.card,
        "libraries": side.libraries,
        "times": times,
        "milliseconds": milliseconds,
        "tokens_per_second": 1000 * (options.tokens // options.length) * options.length / milliseconds,
        "flops": 1000 * flops / milliseconds,
        "product_flops": 2000 * options.product**3 / product,
        "memory": memory,
        "launches": None,
    }
    yield result
    yield result | {"launches": launches(profiled, PROFILED)}


def timed(action: Callable[[int], object], side: Side, count: int) -> list[float]:
    """Milliseconds between the events around each step. Nothing waits until all steps are on their way."""
    for number in range(WARM_UP):
        action(number)
    marks = [side.event()]
    for number in range(count):
        action(WARM_UP + number)
        marks.append(side.event())
    return [side.elapsed(start, end) for start, end in pairwise(marks)]


def ours(config: Any, source: Any, target: Any, precision: str, matrix: Any) -> Side:
    """Our steps."""
    from training.work import LABEL_SMOOTHING, RATE

    from numpy_transformer.backend.arrays import device_module
    from numpy_transformer.backend.precision import precision as matmul_precision
    from numpy_transformer.data.batching import Batch
    from numpy_transformer.errors import InputError
    from numpy_transformer.layers.arithmetic import matmul
    from numpy_transformer.models.transformer import Transformer
    from numpy_transformer.training.gpu_step import GpuStep
    from numpy_transformer.training.optimizer import Adam

    try:
        cupy = device_module("gpu")
        model = Transformer(config, seed=0, device="gpu", precision=precision)
    except InputError as error:
        sys.exit(str(error))
    adam, runner = Adam.for_parameters(model.parameters.flat), GpuStep(model)
    batch = Batch(source, target, target[:, 1:].size)
    factors: list[Any] = []  # on the card once they are needed

    def step(number: int) -> None:
        runner.step(adam, [batch], rate=RATE, seed=(0, number), label_smoothing=LABEL_SMOOTHING)

    def elapsed(start: Any, end: Any) -> float:
        end.synchronize()
        return cupy.cuda.get_elapsed_time(start, end)

    def product(_: int) -> None:
        if not factors:
            factors.extend((cupy.asarray(matrix), cupy.empty(matrix.shape, dtype="float32")))
        with matmul_precision(precision):
            matmul(factors[0], factors[0], out=factors[1])

    return Side(
        step,
        runner.collect,
        lambda: cupy.cuda.get_current_stream().record(),
        elapsed,
        lambda: cupy.get_default_memory_pool().total_bytes(),
        product,
        card_name(cupy),
        {"cupy": getattr(cupy, "__version__", "none"), "numpy": np.__version__},
    )


def torch_side(config: Any, source: Any, target: Any, precision: str, compiled: bool, matrix: Any) -> Side:
    """PyTorch's steps, eager or compiled."""
    try:
        import torch
    except ImportError:
        sys.exit("PyTorch is not installed: pip install torch")
    from training.torch_side import Model
    from training.work import LABEL_SMOOTHING, RATE

    if not torch.cuda.is_available():
        sys.exit("PyTorch finds no card that it can use")
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("highest" if precision == "float32" else "high")
    model = Model(config, target.shape[1] - 1, LABEL_SMOOTHING).cuda()
    adam = torch.optim.Adam(model.parameters(), lr=RATE, betas=(0.9, 0.98), eps=1e-9, fused=True)
    loss_of = torch.compile(model) if compiled else model
    source_ids, target_ids = torch.from_numpy(source).cuda(), torch.from_numpy(target).cuda()
    factors: list[Any] = []

    def step(_: int) -> None:
        with torch.autocast("cuda", dtype=torch.bfloat16, enabled=precision == "bfloat16"):
            loss = loss_of(source_ids, target_ids)
        loss.backward()
        adam.step()
        adam.zero_grad()

    def event() -> Any:
        mark = torch.cuda.Event(enable_timing=True)
        mark.record()
        return mark

    def elapsed(start: Any, end: Any) -> float:
        end.synchronize()
        return start.elapsed_time(end)

    def product(_: int) -> None:
        if not factors:
            factors.append(torch.from_numpy(matrix).cuda())
            if precision == "bfloat16":
                factors[0] = factors[0].bfloat16()
        torch.mm(factors[0], factors[0])

    return Side(
        step,
        torch.cuda.synchronize,
        event,
        elapsed,
        torch.cuda.max_memory_reserved,
        product,
        torch.cuda.get_device_name(),
        {"torch": torch.__version__},
    )


# --- The report ---


def report(results: dict[str, dict[str, Any]]) -> str:
    """A line for each side, then ours over each peer of the same precision."""
    peak: dict[str, float] = {}
    for side, r in results.items():
        precision = SIDES[side][1]
        peak[precision] = max(peak.get(precision, 0.0), r["product_flops"])
    lines = [
        ", ".join(sorted({r["card"] for r in results.values()})),
        *(f"    {name} {version}" for name, version in sorted(_libraries(results).items())),
        "best product, TFLOP/s: "
        + ", ".join(f"{side} {r['product_flops'] / 1e12:,.1f}" for side, r in results.items()),
        f"{'':27}{'tokens/s':>10}{'ms/step':>9}{'TFLOP/s':>9}{'of peak':>9}{'memory':>11}{'kernels':>9}{'busy':>7}",
    ]
    for side, r in results.items():
        seen = r["launches"]
        kernels = f"{seen['kernels']:9,.0f}{seen['busy_milliseconds'] / r['milliseconds']:7.0%}" if seen else ""
        lines.append(
            f"{side:27}{r['tokens_per_second']:10,.0f}{r['milliseconds']:9.2f}{r['flops'] / 1e12:9.1f}"
            f"{r['flops'] / peak[SIDES[side][1]]:9.0%}{r['memory'] / 2**30:7.2f} GiB{kernels}"
        )
    for ours_name, own in results.items():
        library, precision, _ = SIDES[ours_name]
        if library != "ours":
            continue
        hours = RECIPE_STEPS * own["milliseconds"] / 3_600_000
        lines.append(f"{ours_name}: {RECIPE_STEPS:,} such steps take {hours:.2f} hours")
        for name, peer in results.items():
            if SIDES[name][:2] == ("torch", precision):
                speed = own["tokens_per_second"] / peer["tokens_per_second"]
                memory = own["memory"] / max(1, peer["memory"])
                lines.append(f"{ours_name} / {name}: {speed:.2f}x the speed, {memory:.2f}x the memory")
    return "\n".join(lines)


def _libraries(results: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: version for r in results.values() for name, version in r["libraries"].items()}


if __name__ == "__main__":
    main()
