"""Target tokens per second of one training step: ours, PyTorch's nn.Transformer and JAX, on the same CPUs.

    python benchmarks/training_step.py --preset tiny --peer torch
    python benchmarks/training_step.py --preset tiny --peer torch --peer jax --scaling --layers --json result.json
    python benchmarks/training_step.py --preset tiny --peer torch --multi30k

A step is forward, backward and the Adam update of one batch, with dropout and label smoothing, as the trainer does it
(`Workers.step`). The peers do equal work: the same shapes and number of parameters, the embedding shared three ways,
dropout only on the sub-layers' outputs and the embedding sums, masks for padding and the future, and the same
smoothing; PyTorch uses Adam's fused kernel. A batch has random ids, with all sentences of one length. With --multi30k,
four batches of real sentences take turns, one from the middle of each quarter of the corpus sorted by length. Padding
does not count. (The peers compute logits for padded positions too; leaving these out is part of our design.)

Each side runs in a fresh process, pinned to as many CPUs as it has threads, in turn (ours, peer, peer, ours, ...) over
several rounds, so that a slow minute of the machine affects both. A round gives the median of its steps; the table
gives the median of the rounds, with the lowest and the highest. "CPU ms" adds up the threads' time on a CPU, including
waiting loops; if it is far below the step's time times the number of CPUs, other programs were in the way.

The operations of a step are those of its matrix products, counted by numpy_transformer/training/costs.py. Their rate is
compared with the best float32 product of two 2048 x 2048 matrices that any side reached in the run. (A side that
multiplies in bfloat16, on a processor with instructions for it, has a higher peak of its own.)
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import available_cpus, machine

ROOT = Path(__file__).resolve().parents[1]
PEERS = ("torch", "torch-compile", "torch-bf16", "jax")
MATRIX_LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> None:
    sys.path.insert(0, str(ROOT))
    options = parse_options()
    if options.side:  # a child process
        from training.sides import run_side

        print(json.dumps(run_side(options.side, options)))
        return
    from training.report import layer_table, report, title
    from training.work import save_batches

    host = machine()
    print(f"{host['cpu']}, {host['cpus']} CPUs, load {host['load']}; {host['system']}; Python {host['python']}")
    sides = ["ours", *(["ours-1"] if options.scaling else []), *options.peer]
    rounds: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    layers: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        options.batches = Path(folder, "batches.npz")
        save_batches(options.batches, options)
        for number in range(options.rounds):
            for side in sides if number % 2 == 0 else reversed(sides):
                rounds[side].append(spawn(side, options))
                speed = rounds[side][-1]["tokens_per_second"]
                print(f"round {number + 1}: {title(side)} {speed:,.0f}", file=sys.stderr)
        if options.layers:
            layers = spawn("layers", options)["layers"]
    text, summary = report(rounds, options)
    print(text + layer_table(layers))
    if options.json:
        asked = {name: value for name, value in vars(options).items() if name not in ("json", "side", "batches")}
        content = {
            "machine": host,
            "options": asked,
            "summary": summary,
            "layer_seconds": layers,
            "rounds": rounds,
        }
        options.json.write_text(json.dumps(content, indent=1) + "\n")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="target tokens/s of a training step", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--preset", default="tiny", help="size of the model: tiny, small, base or big")
    parser.add_argument("--vocabulary", type=int, default=8000, help="vocabulary size")
    parser.add_argument("--peer", action="append", choices=PEERS, default=[], help="may be given several times")
    parser.add_argument("--workers", type=int, default=2, help="CPUs: our worker threads, the peer's threads")
    parser.add_argument("--tokens", type=int, default=4096, help="target tokens of a batch, at most")
    parser.add_argument("--length", type=int, default=16, help="tokens of a sentence, source and target")
    parser.add_argument("--multi30k", action="store_true", help="real sentences in place of random ids of one length")
    parser.add_argument("--recompute", action="store_true", help="our layers compute their activations twice")
    parser.add_argument("--scaling", action="store_true", help="ours with one worker on one CPU, too")
    parser.add_argument("--layers", action="store_true", help="add a table of where our time goes, by layer")
    parser.add_argument("--rounds", type=int, default=5, help="fresh processes for each side")
    parser.add_argument("--seconds", type=float, default=5.0, help="time for the steps of one process")
    parser.add_argument("--coretype", help="OPENBLAS_CORETYPE, which pins NumPy's kernel, such as Haswell; else unset")
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--batches", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.side and not 1 <= options.workers <= len(available_cpus()):
        parser.error(f"--workers must be from 1 to {len(available_cpus())}, the CPUs there are")
    if options.tokens < options.length or options.length < 1 or options.rounds < 1:
        parser.error("--length and --rounds must be at least 1, --tokens at least --length")
    return options


def spawn(side: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one side in a fresh process, pinned to the first CPUs, and return what it measured."""
    threads = 1 if side in ("ours-1", "layers") else options.workers
    environment = dict(os.environ) | dict.fromkeys(MATRIX_LIBRARIES, str(threads))
    environment.pop("OPENBLAS_CORETYPE", None)
    if options.coretype:
        environment["OPENBLAS_CORETYPE"] = options.coretype
    cpus = available_cpus()[:threads]
    pin = (lambda: os.sched_setaffinity(0, cpus)) if hasattr(os, "sched_setaffinity") else None
    command = [sys.executable, __file__, *sys.argv[1:], "--side", side, "--batches", str(options.batches)]
    result = subprocess.run(command, env=environment, preexec_fn=pin, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"{side} failed, see above; leave it out or install what is missing")
    return json.loads(result.stdout.strip().split("\n")[-1])


if __name__ == "__main__":
    main()
