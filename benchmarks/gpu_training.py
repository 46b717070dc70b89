"""Target tokens per second of a training step on one GPU: ours beside PyTorch's nn.Transformer on the same card.

    python benchmarks/gpu_training.py --preset base --tokens 25000 --vocabulary 37000 --json result.json

The work is that of training_step.py: random ids, dropout, label smoothing, Adam, one embedding shared three ways. Each
side runs in a fresh process and times every step with events on the card, after warm-up; the table gives the median.
Our step reads its results once in ten steps, as in training; PyTorch's loss is not read at all. "products" is the best
rate of a 8192 x 8192 matrix product in the side's precision, and the share of it that the step reaches (the FLOPs of a
step are counted as training_step.py says). Memory is what the allocator took from the card at most.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from training_step import LABEL_SMOOTHING, RATE, ROOT, model_flops

SIDES = {
    "ours float32": ("ours", "float32", False),
    "ours tf32": ("ours", "tf32", False),
    "ours bfloat16": ("ours", "bfloat16", False),
    "PyTorch float32": ("torch", "float32", False),
    "PyTorch tf32": ("torch", "tf32", False),
    "PyTorch bfloat16": ("torch", "bfloat16", False),
    "PyTorch tf32 compiled": ("torch", "tf32", True),
    "PyTorch bfloat16 compiled": ("torch", "bfloat16", True),
}
MATRIX = 8192


def main() -> None:
    options = parse_options()
    if options.side:  # a child process
        print(json.dumps(run_side(options)))
        return
    results: dict[str, dict[str, Any]] = {}
    for side in options.sides:
        command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
        child = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if child.returncode:
            print(f"{side}: failed, see above", file=sys.stderr)
        else:
            results[side] = json.loads(child.stdout.strip().split("\n")[-1])
    if not results:
        sys.exit("no side ran")
    print(f"{next(iter(results.values()))['card']}; {options.preset}, {options.tokens} target tokens a batch of length "
          f"{options.length}, vocabulary {options.vocabulary}, {options.steps} steps")  # fmt: skip
    print(f"{'':28}{'tokens/s':>10}{'ms/step':>9}{'TFLOP/s':>9}{'products':>10}{'share':>7}{'memory':>10}")
    for side, r in results.items():
        print(
            f"{side:28}{r['tokens_per_second']:>10,.0f}{r['milliseconds']:>9.2f}{r['flops'] / 1e12:>9.1f}"
            f"{r['product_flops'] / 1e12:>10.1f}{r['flops'] / r['product_flops']:>7.0%}{r['memory'] / 2**30:>6.2f} GiB"
        )
    if options.json:
        options.json.write_text(
            json.dumps({"options": vars(options), "results": results}, indent=1, default=str) + "\n"
        )


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="target tokens/s of a step on a GPU",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--preset", default="base", help="size of the model: tiny, small, base or big")
    parser.add_argument("--vocabulary", type=int, default=37000, help="vocabulary size")
    parser.add_argument("--tokens", type=int, default=25000, help="target tokens of a batch")
    parser.add_argument("--length", type=int, default=25, help="tokens of a sentence, source and target")
    parser.add_argument("--steps", type=int, default=50, help="steps that are timed")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES), help="what is measured")
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    return parser.parse_args()


def run_side(options: argparse.Namespace) -> dict[str, Any]:
    """Time the steps of one side. Imports here, so that a child holds only what it uses."""
    sys.path.insert(0, str(ROOT))
    from numpy_transformer.config import TransformerConfig

    library, precision, compiled = SIDES[options.side]
    config = TransformerConfig.preset(options.preset, vocabulary_size=options.vocabulary)
    sentences = max(1, options.tokens // options.length)
    source, target = np.random.default_rng(0).integers(3, config.vocabulary_size, (2, sentences, options.length))
    source[:, -1] = target[:, -1] = config.eos_id
    target = np.insert(target, 0, config.bos_id, axis=1)
    if library == "ours":
        measure = measure_ours(config, source, target, precision, options.steps)
    else:
        measure = measure_torch(config, source, target, precision, compiled, options.steps)
    milliseconds = statistics.median(measure["times"])
    return {
        **measure,
        "milliseconds": milliseconds,
        "tokens_per_second": 1000 * sentences * options.length / milliseconds,
        "flops": 1000 * model_flops(config, sentences, options.length) / milliseconds,
    }


def measure_ours(config: Any, source: Any, target: Any, precision: str, steps: int) -> dict[str, Any]:
    """Our steps; raises InputError where there is no usable GPU."""
    from numpy_transformer.backend import device_module
    from numpy_transformer.data.batching import Batch
    from numpy_transformer.gpu_step import GpuStep
    from numpy_transformer.layers.matmul import matmul
    from numpy_transformer.model import Transformer
    from numpy_transformer.optimizer import Adam
    from numpy_transformer.precision import precision as matmul_precision

    cupy = device_module("gpu")
    model = Transformer(config, seed=0, device="gpu", precision=precision)
    adam, runner = Adam.for_parameters(model.parameters.flat), GpuStep(model)
    batch = Batch(source, target, target[:, 1:].size)

    def step(number: int) -> None:
        runner.step(adam, [batch], rate=RATE, seed=(0, number), label_smoothing=LABEL_SMOOTHING)

    def event() -> Any:
        return cupy.cuda.get_current_stream().record()

    def elapsed(start: Any, end: Any) -> float:
        end.synchronize()
        return cupy.cuda.get_elapsed_time(start, end)

    times = timed(step, event, elapsed, steps)
    memory = cupy.get_default_memory_pool().total_bytes()
    a = cupy.ones((MATRIX, MATRIX), dtype="float32")
    with matmul_precision(precision):
        product = min(timed(lambda _: matmul(a, a), event, elapsed, 10))
    card = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()
    return {"times": times, "memory": memory, "product_flops": 2000 * MATRIX**3 / product, "card": card}


def measure_torch(config: Any, source: Any, target: Any, precision: str, compiled: bool, steps: int) -> dict[str, Any]:
    """PyTorch's steps, eager or compiled."""
    import torch
    from training_step_torch import Model

    torch.manual_seed(0)
    torch.set_float32_matmul_precision("highest" if precision == "float32" else "high")
    model = Model(config, target.shape[1] - 1, LABEL_SMOOTHING).cuda()
    adam = torch.optim.Adam(model.parameters(), lr=RATE, betas=(0.9, 0.98), eps=1e-9, fused=True)
    loss_of = torch.compile(model) if compiled else model
    source_ids, target_ids = torch.from_numpy(source).cuda(), torch.from_numpy(target).cuda()

    def step(number: int) -> None:
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

    times = timed(step, event, elapsed, steps)
    memory = torch.cuda.max_memory_reserved()
    a = torch.ones(MATRIX, MATRIX, device="cuda", dtype=torch.bfloat16 if precision == "bfloat16" else torch.float32)
    product = min(timed(lambda _: a @ a, event, elapsed, 10))
    card = torch.cuda.get_device_name()
    return {"times": times, "memory": memory, "product_flops": 2000 * MATRIX**3 / product, "card": card}


def timed(
    action: Callable[[int], object], event: Callable[[], Any], elapsed: Callable[[Any, Any], float], steps: int
) -> list[float]:
    """Milliseconds between the events around each step. Nothing waits until all steps are on their way."""
    warm_up = 10
    for number in range(warm_up):
        action(number)
    marks = [event()]
    for number in range(steps):
        action(warm_up + number)
        marks.append(event())
    return [elapsed(start, end) for start, end in pairwise(marks)]


if __name__ == "__main__":
    main()
