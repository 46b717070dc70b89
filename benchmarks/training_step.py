"""Target tokens per second of one training step: ours beside PyTorch's nn.Transformer, on the same CPUs.

    python benchmarks/training_step.py --preset tiny --peer torch
    python benchmarks/training_step.py --preset base --peer torch --peer torch-bf16 --workers 2 --json result.json

A step is forward, backward and the Adam update of one batch of random ids, with dropout and label smoothing, as the
trainer does it (`Workers.step`). The peer does equal work: the same shapes and number of parameters, the embedding
shared three ways, dropout on the sub-layers' outputs and on the embedding sums only, masks for padding and the future,
the same smoothing, Adam's fused kernel.

Each side runs in a fresh process, pinned to as many CPUs as it has threads, in turn (ours, peer, peer, ours, ...) over
several rounds, so that a slow minute of the machine hits both. A round gives the median of its steps; the table gives
the median of the rounds, with the lowest and the highest. "CPU ms" adds up the threads' time on a CPU, waiting loops
included; where it is far below the step's time times the number of CPUs, other programs were in the way.

Model FLOPs of a step, with 2 for each multiply-add, and 3 for forward, input gradients and weight gradients:

    6 N_source L_encoder (4 D^2 + 2 D F + 2 S D)                     self-attention, feed-forward
  + 6 N_target L_decoder (6 D^2 + 2 D F + 2 T D + 2 S D)             the same, and cross-attention's query and output
  + 6 N_source L_decoder (2 D^2)                                     cross-attention's key and value
  + 6 N_target D V                                                   output projection

Their rate is compared with the best float32 product of two 2048 x 2048 matrices that any side reached in the run.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import available_cpus, libraries, machine, peak_memory

ROOT = Path(__file__).resolve().parents[1]
PEERS = ("torch", "torch-compile", "torch-bf16")
TITLES = {
    "ours": "numpy_transformer",
    "torch": "PyTorch eager",
    "torch-compile": "PyTorch compiled",
    "torch-bf16": "PyTorch bf16 autocast",
}
WARM_UP_STEPS, LEAST_STEPS = 2, 3
LABEL_SMOOTHING, RATE = 0.1, 1e-4
MATRIX = 2048


def main() -> None:
    options = parse_options()
    if options.side:  # a child process
        print(json.dumps(run_side(options)))
        return
    host = machine()
    print(f"{host['cpu']}, {host['cpus']} CPUs, load {host['load']}; {host['system']}; Python {host['python']}")
    sides = ["ours", *options.peer]
    rounds: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for number in range(options.rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            rounds[side].append(spawn(side, options))
            print(f"round {number + 1}: {TITLES[side]} {rounds[side][-1]['tokens_per_second']:,.0f}", file=sys.stderr)
    text, summary = report(rounds, options)
    print(text)
    if options.json:
        content = {"machine": host, "options": vars(options), "summary": summary, "rounds": rounds}
        options.json.write_text(json.dumps(content, indent=1, default=str) + "\n")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="target tokens/s of a training step", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--preset", default="tiny", help="size of the model: tiny, small, base or big")
    parser.add_argument("--vocabulary", type=int, default=8000, help="vocabulary size")
    parser.add_argument("--peer", action="append", choices=PEERS, default=[], help="may be given several times")
    parser.add_argument("--workers", type=int, default=2, help="CPUs: our worker threads, the peer's threads")
    parser.add_argument("--tokens", type=int, default=4096, help="target tokens of a batch")
    parser.add_argument("--length", type=int, default=16, help="tokens of a sentence, source and target")
    parser.add_argument("--recompute", action="store_true", help="our layers compute their activations twice")
    parser.add_argument("--rounds", type=int, default=5, help="fresh processes for each side")
    parser.add_argument("--seconds", type=float, default=5.0, help="time for the steps of one process")
    parser.add_argument(
        "--keep-coretype", action="store_true", help="leave OPENBLAS_CORETYPE, which pins NumPy's kernel, as it is"
    )
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    parser.add_argument("--side", choices=("ours", *PEERS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not 1 <= options.workers <= len(available_cpus()):
        parser.error(f"--workers must be from 1 to {len(available_cpus())}, the CPUs there are")
    if options.tokens < options.length or options.length < 1 or options.rounds < 1:
        parser.error("--length and --rounds must be at least 1, --tokens at least --length")
    return options


# --- One side, in a process of its own ---


def spawn(side: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one side in a fresh process, pinned to the first CPUs, and return what it measured."""
    environment = dict(os.environ)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment[name] = str(options.workers)
    if not options.keep_coretype:
        environment.pop("OPENBLAS_CORETYPE", None)
    cpus = available_cpus()[: options.workers]
    pin = (lambda: os.sched_setaffinity(0, cpus)) if hasattr(os, "sched_setaffinity") else None
    command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
    result = subprocess.run(command, env=environment, preexec_fn=pin, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{TITLES[side]} failed, see above; leave it out or install what is missing")
    return json.loads(result.stdout.strip().split("\n")[-1])


def run_side(options: argparse.Namespace) -> dict[str, Any]:
    """Time the steps of one side, then its matrix products. Imports here, so that a child holds only what it uses."""
    sys.path.insert(0, str(ROOT))
    import numpy as np

    from numpy_transformer.config import TransformerConfig

    config = TransformerConfig.preset(options.preset, vocabulary_size=options.vocabulary)
    sentences = options.tokens // options.length
    source, target = np.random.default_rng(0).integers(3, config.vocabulary_size, (2, sentences, options.length))
    source[:, -1] = target[:, -1] = config.eos_id
    target = np.insert(target, 0, config.bos_id, axis=1)
    if options.side == "ours":
        step, parameters, product = prepare_ours(config, source, target, options.workers, recompute=options.recompute)
    else:
        from training_step_torch import torch_product, torch_step

        step, parameters = torch_step(options.side, config, source, target, rate=RATE, label_smoothing=LABEL_SMOOTHING)
        product = torch_product(MATRIX)

    before = peak_memory()
    losses = [step() for _ in range(WARM_UP_STEPS)]
    times: list[float] = []
    processor_seconds = time.process_time()
    while len(times) < LEAST_STEPS or sum(times) < options.seconds:
        times.append(seconds_of(lambda: losses.append(step())))
    processor_seconds = time.process_time() - processor_seconds
    if not all(map(math.isfinite, losses)):
        raise ArithmeticError(f"the losses are {losses}")
    peak = peak_memory()
    seconds = statistics.median(times)
    return {
        "parameters": parameters,
        "load": machine()["load"],
        "losses": (losses[0], losses[-1]),
        "tokens_per_second": sentences * options.length / seconds,
        "step_seconds": seconds,
        "step_processor_seconds": processor_seconds / len(times),
        "steps": len(times),
        "flops_per_second": model_flops(config, sentences, options.length) / seconds,
        "matmul_flops_per_second": 2 * MATRIX**3 / min(seconds_of(product) for _ in range(20)),
        "peak_memory": peak,
        "memory_before_steps": before,  # libraries, parameters, optimizer
        "libraries": libraries(),
    }


def seconds_of(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def model_flops(config: Any, sentences: int, length: int) -> int:
    """The formula at the top of this file, for source and target of one length."""
    D, F, V, S, T = config.d_model, config.d_ff, config.vocabulary_size, length, length
    encoder = config.encoder_layers * (4 * D * D + 2 * D * F + 2 * S * D)
    decoder = config.decoder_layers * (8 * D * D + 2 * D * F + 2 * T * D + 2 * S * D)
    return 6 * sentences * length * (encoder + decoder + D * V)


def prepare_ours(
    config: Any, source: Any, target: Any, threads: int, *, recompute: bool
) -> tuple[Callable[[], float], int, Callable[[], object]]:
    """A function that does one training step and returns the loss, the number of parameters, and a matrix product."""
    import numpy as np

    from numpy_transformer.data.batching import Batch
    from numpy_transformer.model import Transformer
    from numpy_transformer.optimizer import Adam
    from numpy_transformer.parallel import Workers

    model = Transformer(config, seed=0, recompute=recompute)
    adam = Adam.for_parameters(model.parameters.flat)
    workers = Workers(model, threads)
    batch = Batch(source, target, target[:, 1:].size)

    def step() -> float:
        return workers.step(adam, [batch], rate=RATE, seed=(0, adam.step), label_smoothing=LABEL_SMOOTHING)[0].loss

    a, b = np.random.default_rng(0).random((2, MATRIX, MATRIX), dtype=np.float32)

    def product() -> None:
        workers.close()  # BLAS has its own threads again
        np.matmul(a, b)

    return step, model.parameters.flat.size, product


# --- The report ---


def report(rounds: dict[str, list[dict[str, Any]]], options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The printed table, and its figures by side."""
    counts = {side: results[0]["parameters"] for side, results in rounds.items()}
    if len(set(counts.values())) != 1:
        raise AssertionError(f"the models differ in size: {counts}")
    best = max(r["matmul_flops_per_second"] for results in rounds.values() for r in results)
    used = {name: text for results in rounds.values() for name, text in results[0]["libraries"].items()}
    loads = [r["load"] for results in rounds.values() for r in results]
    lines = [
        f"{options.preset}, vocabulary {options.vocabulary:,}, {counts['ours']:,} parameters; "
        f"{options.tokens // options.length} sentences of {options.length} source and target tokens; "
        f"{options.workers} CPUs; {options.rounds} rounds",
        f"load {min(loads)} - {max(loads)}, the benchmark's own {options.workers} included",
        *(f"{name} {text}" for name, text in used.items()),
        "",
        f"{'':24}{'target tokens/s':>17}{'(low - high)':>20}{'step ms':>10}{'CPU ms':>9}{'of peak':>9}"
        f"{'matmul GFLOP/s':>16}{'memory MB':>11}",
    ]
    summary: dict[str, Any] = {"matmul_peak": best}
    for side, results in rounds.items():
        speeds = [r["tokens_per_second"] for r in results]
        share = statistics.median(r["flops_per_second"] for r in results) / best
        matmul = max(r["matmul_flops_per_second"] for r in results)
        memory = max(r["peak_memory"] or 0 for r in results)
        summary[side] = {"tokens_per_second": statistics.median(speeds), "of_peak": share, "memory": memory}
        lines.append(
            f"{TITLES[side]:24}{statistics.median(speeds):17,.0f}{f'({min(speeds):,.0f} - {max(speeds):,.0f})':>20}"
            f"{1e3 * statistics.median(r['step_seconds'] for r in results):10,.0f}"
            f"{1e3 * statistics.median(r['step_processor_seconds'] for r in results):9,.0f}{share:9.0%}"
            f"{matmul / 1e9:16,.0f}{memory / 1e6:11,.0f}"
        )
    for peer in list(rounds)[1:]:
        ratio = summary["ours"]["tokens_per_second"] / summary[peer]["tokens_per_second"]
        pairs = [
            ours["tokens_per_second"] / theirs["tokens_per_second"]
            for ours, theirs in zip(rounds["ours"], rounds[peer], strict=True)
        ]
        memory = summary["ours"]["memory"] / max(1, summary[peer]["memory"])
        summary[peer] |= {"ratio": ratio, "memory_ratio": memory}
        lines.append(
            f"ours / {TITLES[peer]}: {ratio:.2f}x the speed ({min(pairs):.2f} - {max(pairs):.2f} by round), "
            f"{memory:.2f}x the memory"
        )
    return "\n".join(lines), summary


if __name__ == "__main__":
    main()
