"""Training steps of several ranks of one worker beside one process of as many workers, on this machine.

    python benchmarks/distributed.py --preset tiny                       needs pip install -r requirements-mpi.txt
    python benchmarks/distributed.py --preset base --rounds 3 --steps 4
    python benchmarks/distributed.py --preset base --loopback            the ranks talk over TCP, as if on two hosts

Each side runs in fresh processes, in turn over several rounds, so that a slow minute of the machine affects both. A
round gives the median of its steps; the table gives the medians of the rounds. A step is forward, backward and Adam on
random ids, all sentences of 32 tokens.

"hidden" is the share of the time of the sums over ranks during which the backward went on. A sum lasts from when a rank
is ready for it until it is done; so the wait for a slower rank counts as communication that is not hidden.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from machine import machine

ROOT = Path(__file__).resolve().parents[1]
LENGTH = 32
VOCABULARY = 8000
UPDATE_BYTES = 28  # of memory, for each parameter: scaling_model.py
LOOPBACK = {"MPIR_CVAR_NOLOCAL": "1", "FI_PROVIDER": "tcp"}  # MPICH: no shared memory, sockets instead


def main() -> None:
    sys.path.insert(0, str(ROOT))
    options = parse_options()
    if options.side:
        run_side(options)
        return
    sides = ["threads", "ranks"]
    found: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    host = machine()
    print(f"{host['cpu']}, {host['cpus']} CPUs, load {host['load']}; {options.preset}, {options.tokens} target tokens")
    for number in range(options.rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            found[side].append(measured(side, options))
    print(json.dumps(summary(found, options), indent=1))
    if options.json:
        rows = json.loads(options.json.read_text()) if options.json.exists() else []
        options.json.write_text(json.dumps([*rows, row(found, options)], indent=1) + "\n")


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--tokens", type=int, default=4096, help="target tokens of a step of all ranks (4096)")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=12, help="of a round; the first two are not counted (12)")
    parser.add_argument("--loopback", action="store_true", help="ranks talk over TCP, not through shared memory")
    parser.add_argument("--ordered", action="store_true", help="sums in the order of ranks")
    parser.add_argument("--launcher", default="", help="in the place of mpiexec -n RANKS, such as two_hosts.sh")
    parser.add_argument("--json", type=Path, help="add what was measured to this file, for scaling_model.py --check")
    parser.add_argument("--side", choices=("threads", "ranks"), help=argparse.SUPPRESS)
    return parser.parse_args()


def measured(side: str, options: argparse.Namespace) -> dict[str, Any]:
    """One round of a side, in processes of its own."""
    mpiexec = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec") or "mpiexec"
    start = [*options.launcher.split()] if options.launcher else [mpiexec, "-n", str(options.ranks)]
    command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
    variables = LOOPBACK if options.loopback else {}
    done = subprocess.run(
        [*(start if side == "ranks" else []), *command],
        env={**os.environ, **variables, "OPENBLAS_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def run_side(options: argparse.Namespace) -> None:
    """Print what the steps of this side took."""
    import numpy as np
    from training.work import random_batch

    from numpy_transformer.data.batching import Batch
    from numpy_transformer.models.config import TransformerConfig
    from numpy_transformer.models.transformer import Transformer
    from numpy_transformer.training.distributed.open_ranks import open_ranks
    from numpy_transformer.training.distributed.rank_workers import RankWorkers
    from numpy_transformer.training.optimizer import Adam
    from numpy_transformer.training.parallel import Workers

    config = TransformerConfig.preset(options.preset, vocabulary_size=VOCABULARY)
    source, target = random_batch(config, options.tokens // LENGTH, LENGTH)
    batch = Batch(source, target, int(np.count_nonzero(target[:, 1:])))
    model = Transformer(config, seed=0)
    adam = Adam.for_parameters(model.parameters.flat)

    def steps(workers: Workers) -> list[float]:
        seconds = []
        for step in range(options.steps):
            began = time.perf_counter()
            workers.step(adam, [batch], rate=1e-4, seed=(0, step), label_smoothing=0.1)
            seconds.append(time.perf_counter() - began)
        return seconds[2:]

    found: dict[str, Any] = {"bytes": model.parameters.flat.nbytes}
    if options.side == "threads":
        with Workers(model, options.ranks) as pool:
            print(json.dumps({**found, "seconds": statistics.median(steps(pool))}))
        return
    with open_ranks("mpi", ordered=options.ordered) as ranks, RankWorkers(model, 1, ranks) as pool:
        found["seconds"] = statistics.median(steps(pool))
        found |= link(ranks, model.parameters.flat, adam)
        found["sums"], found["waits"] = pool.sum_seconds / options.steps, pool.wait_seconds / options.steps
        if ranks.rank == 0:
            print(json.dumps(found))


def link(ranks: Any, flat: Any, adam: Any) -> dict[str, float]:
    """What scaling_model.py is told: seconds of latency, bytes a second of link and of memory, each measured alone."""
    import numpy as np

    def seconds(work: Callable[[], object], times: int) -> float:
        taken = []
        for _ in range(times):
            ranks.gather(None)  # all begin at once
            began = time.perf_counter()
            work()
            taken.append(time.perf_counter() - began)
        return statistics.median(taken)

    one, many, rounds = (
        np.zeros(1, dtype="float32"),
        np.zeros(1 << 22, dtype="float32"),
        max(1.0, math.log2(ranks.size)),
    )
    latency = seconds(lambda: ranks.sum(one), 50) / rounds
    moved = 2 * (ranks.size - 1) / ranks.size * many.nbytes
    bandwidth = moved / max(1e-9, seconds(lambda: ranks.sum(many), 7) - 2 * rounds * latency)
    update = seconds(lambda: adam.update(flat, flat, rate=0.0), 3)
    return {"latency": latency, "bandwidth": bandwidth, "memory": UPDATE_BYTES * len(flat) / update}


def row(found: dict[str, list[dict[str, Any]]], options: argparse.Namespace) -> dict[str, Any]:
    """A measurement for scaling_model.py --check."""

    def median(side: str, name: str) -> float:
        return statistics.median(one[name] for one in found[side])

    names = ("latency", "bandwidth", "memory")
    rates = {name: median("ranks", name) for name in names}
    update = found["ranks"][0]["bytes"] // 4 * UPDATE_BYTES / rates["memory"]  # of all parameters by one rank
    compute = median("threads", "seconds") - update / options.ranks  # workers share the update
    return {
        "preset": options.preset,
        "vocabulary": VOCABULARY,
        "ranks": options.ranks,
        "tokens": options.tokens,
        "link": "TCP on one host" if options.loopback else options.launcher or "memory of one host",
        "speed": options.tokens / options.ranks / compute,
        "step": median("ranks", "seconds"),
        "waits": median("ranks", "waits"),
        **rates,
    }


def summary(found: dict[str, list[dict[str, Any]]], options: argparse.Namespace) -> dict[str, Any]:
    def median(side: str, name: str) -> float:
        return statistics.median(one[name] for one in found[side])

    threads, ranks, sums = median("threads", "seconds"), median("ranks", "seconds"), median("ranks", "sums")
    return {
        "preset": options.preset,
        "ranks": options.ranks,
        "gradient MB": round(found["ranks"][0]["bytes"] / 1e6, 1),
        f"one process of {options.ranks} workers, tokens/s": round(options.tokens / threads, 1),
        f"{options.ranks} ranks of one worker, tokens/s": round(options.tokens / ranks, 1),
        "speed of ranks": f"{threads / ranks:.1%}",
        "sums, ms a step": round(1000 * sums, 1),
        "not hidden, ms a step": round(1000 * median("ranks", "waits"), 1),
        "hidden": f"{1 - statistics.median(min(1.0, one['waits'] / one['sums']) for one in found['ranks']):.0%}",
        "rounds, ms": {side: [round(1000 * one["seconds"], 1) for one in rounds] for side, rounds in found.items()},
    }


if __name__ == "__main__":
    main()
