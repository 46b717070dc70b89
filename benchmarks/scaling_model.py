"""How a training step scales with ranks, from bytes, operations, and a link's speed and latency.

    python benchmarks/scaling_model.py                                   the tables of docs/scaling.md
    python benchmarks/scaling_model.py --preset big --batch-tokens 400000 --speed 20000
    python benchmarks/scaling_model.py --check runs/step.json            beside measurements (benchmarks/distributed.py)

The model. A rank computes its share of the batch at `speed` target tokens a second; a third of that is the forward. The
backward completes the buckets that train.py sums (distributed/buckets.py) one after the other; a layer's share of the
time is its share of the operations. One link sums one bucket after the other. R ranks with n bytes each take, at best,

    ring                 2 (R-1) a  + 2 (R-1)/R n/b       a: seconds until a message arrives, b: bytes a second
    halving, doubling    2 log2(R) a + 2 (R-1)/R n/b      (Thakur et al. 2005)
    recursive doubling     log2(R) (a + n/b)              for short messages

A bucket's sum begins when the bucket is complete and the link is free. What is left when the backward is over is waited
for. Then every rank updates all parameters: 28 bytes for each (read p, g, m, v, write p, m, v) at `memory` bytes a
second. Before a step rank 0 says what comes and afterwards all say their losses: two messages along a tree.

    efficiency(R) = time of 1 rank / (R * time of R ranks)   one batch for all, shared by ever more ranks
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from numpy_transformer.layers.parameters import Parameters, map_tree  # noqa: E402 (after the path)
from numpy_transformer.models.config import TransformerConfig  # noqa: E402
from numpy_transformer.models.encoder_decoder import transformer_spec  # noqa: E402
from numpy_transformer.training.distributed.buckets import bucket_plan  # noqa: E402


class Link(NamedTuple):
    name: str
    latency: float  # seconds
    bandwidth: float  # bytes a second, each way


# Latencies as the libraries see them (MPI over TCP, MPI over InfiniBand, NCCL); the usable part of the nominal speed.
LINKS = (
    Link("10 Gbit Ethernet", 30e-6, 1.1e9),
    Link("100 Gbit Ethernet", 15e-6, 11e9),
    Link("InfiniBand NDR (400 Gbit)", 2e-6, 45e9),
    Link("NVLink (4th generation)", 5e-6, 350e9),
)
RANKS = (1, 2, 4, 8, 16, 64, 256, 1024, 4096)
BYTES = 4  # float32
KINDS = {"float32": 4.0, "bfloat16": 2.0, "8 bits": 1.0}  # of gradients on the way: bytes for each
FORWARD = 1 / 3  # of a step's operations
UPDATE_BYTES = 28  # of memory, for each parameter
GOOD = 0.8  # an efficiency to aim at


class Machine(NamedTuple):
    """A rank."""

    speed: float  # target tokens a second, forward and backward
    memory: float  # bytes a second, during the update


class Work(NamedTuple):
    """What a model's step consists of, beside the batch."""

    parameters: int
    buckets: list[tuple[int, float]]  # numbers in each, and the share of the backward that is over when it is complete


def work_of(config: TransformerConfig) -> Work:
    """The buckets of a Transformer, in the order of its backward."""
    shapes = Shapes.of(config)
    plan = bucket_plan(shapes)  # type: ignore[arg-type]
    size = shapes.size
    projection = config.vocabulary_size * config.d_model  # its backward comes first
    layers = sum(bucket.part.stop - bucket.part.start for bucket in plan if bucket.layers)
    done, buckets = projection, []
    for bucket in plan:
        numbers = bucket.part.stop - bucket.part.start
        done += numbers if bucket.layers else 0
        buckets.append((numbers, done / (projection + layers) if bucket.layers else 1.0))
    return Work(size, buckets)


class Shapes:
    """A tree of parameters without its numbers: a model of any size takes no memory."""

    def __init__(self, tree: object, size: int) -> None:
        self.tree, self.size = tree, size
        self.flat = range(size)

    @classmethod
    def of(cls, config: TransformerConfig) -> "Shapes":
        """Of a Transformer."""
        sizes: list[int] = []

        def sized(_: str, leaf: object) -> "Leaf":
            sizes.append(math.prod(leaf.shape))  # type: ignore[attr-defined]
            return Leaf(sizes[-1])

        tree = map_tree(sized, transformer_spec(config))
        return cls(tree, sum(sizes))

    layers = Parameters.layers


class Leaf:
    """An array that is only so large."""

    def __init__(self, size: int) -> None:
        self.size = size


def sum_seconds(numbers: int, ranks: int, link: Link, size: float = BYTES) -> float:
    """The quickest all-reduce of so many numbers, `size` bytes each."""
    if ranks == 1:
        return 0.0
    n, a, b = size * numbers, link.latency, link.bandwidth
    rounds, moved = math.ceil(math.log2(ranks)), 2 * (ranks - 1) / ranks * n / b
    return min(2 * (ranks - 1) * a + moved, 2 * rounds * a + moved, rounds * (a + n / b))


def step_seconds(
    work: Work, machine: Machine, link: Link, ranks: int, tokens: float, size: float = BYTES
) -> tuple[float, float]:
    """(the whole step, what of the sums is not hidden), with `tokens` for each rank."""
    compute = tokens / machine.speed
    backward = (1 - FORWARD) * compute
    free = 0.0  # since the backward began
    for numbers, done in work.buckets:
        free = max(free, done * backward) + sum_seconds(numbers, ranks, link, size)
    waits = max(0.0, free - backward)
    words = 0.0 if ranks == 1 else 3 * math.ceil(math.log2(ranks)) * link.latency
    return compute + waits + words + UPDATE_BYTES * work.parameters / machine.memory, waits


def efficiency(work: Work, machine: Machine, link: Link, ranks: int, tokens: float, size: float = BYTES) -> float:
    """Of `ranks` that share a batch of `tokens`."""
    one, _ = step_seconds(work, machine, link, 1, tokens)
    return one / (ranks * step_seconds(work, machine, link, ranks, tokens / ranks, size)[0])


def batch_needed(work: Work, machine: Machine, link: Link, ranks: int) -> int:
    """Target tokens in a batch of all ranks from which on they reach a GOOD efficiency: by accumulation or growth."""
    tokens = 64 * ranks
    while tokens < 1 << 40 and efficiency(work, machine, link, ranks, tokens) < GOOD:
        tokens *= 2
    return tokens


def table(work: Work, machine: Machine, batch_tokens: int, links: Sequence[Link] = LINKS) -> list[str]:
    """Efficiency and batch by ranks and link, as a table of Markdown."""
    lines = [
        "| ranks | " + " | ".join(f"{link.name}" for link in links) + " |",
        "|---" * (len(links) + 1) + "|",
    ]
    for ranks in RANKS:
        cells = []
        for link in links:
            share = efficiency(work, machine, link, ranks, batch_tokens)
            cells.append(f"{share:.0%}" + ("" if share >= GOOD else f" ({batch_needed(work, machine, link, ranks):,})"))
        lines.append(f"| {ranks:,} | " + " | ".join(cells) + " |")
    return lines


def most_ranks(work: Work, machine: Machine, link: Link, tokens: int, size: float = BYTES) -> int:
    """The largest power of two of ranks with a GOOD efficiency."""
    ranks = 1
    while ranks < 1 << 20 and efficiency(work, machine, link, 2 * ranks, tokens, size) >= GOOD:
        ranks *= 2
    return ranks


def remedies(work: Work, machine: Machine, tokens: int) -> list[str]:
    """How far each remedy goes: fewer bytes, or more tokens between two sums (--accumulate, or a larger batch)."""
    lines = ["| link | " + " | ".join((*KINDS, "4 times the batch", "16 times the batch")) + " |", "|---" * 6 + "|"]
    for link in LINKS:
        ranks = [most_ranks(work, machine, link, tokens, size) for size in KINDS.values()]
        ranks += [most_ranks(work, machine, link, factor * tokens) for factor in (4, 16)]
        lines.append(f"| {link.name} | " + " | ".join(f"{count:,}" for count in ranks) + " |")
    return lines


def recipe(work: Work, machine: Machine, *, steps: int, tokens: int) -> list[str]:
    """Hours of the paper's recipe by ranks, for the links."""
    lines = ["| ranks | " + " | ".join(link.name for link in LINKS) + " |", "|---" * (len(LINKS) + 1) + "|"]
    for ranks in (1, 8, 64, 256):
        hours = [steps * step_seconds(work, machine, link, ranks, tokens / ranks)[0] / 3600 for link in LINKS]
        lines.append(f"| {ranks} | " + " | ".join(f"{hour:,.1f} h" for hour in hours) + " |")
    return lines


def check(path: Path) -> list[str]:
    """The model beside measured steps: a file with a list of {preset, ranks, tokens, speed, memory, latency, bandwidth,
    step, waits}, seconds and bytes, whose `speed`, `latency` and `bandwidth` were measured alone."""
    lines = ["| preset | ranks | link | step measured | model | waits measured | model |", "|---" * 7 + "|"]
    for one in json.loads(path.read_text()):
        work = work_of(TransformerConfig.preset(one["preset"], vocabulary_size=one["vocabulary"]))
        link = Link(one["link"], one["latency"], one["bandwidth"])
        machine = Machine(one["speed"], one["memory"])
        step, waits = step_seconds(work, machine, link, one["ranks"], one["tokens"] / one["ranks"])
        figures = (one["step"], step, one["waits"], waits)
        lines.append(
            f"| {one['preset']} | {one['ranks']} | {link.name} | "
            + " | ".join(f"{1000 * seconds:,.0f} ms" for seconds in figures)
            + " |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="base")
    parser.add_argument("--vocabulary", type=int, default=37000)
    parser.add_argument("--batch-tokens", type=int, default=25000)
    parser.add_argument("--speed", type=float, help="target tokens a second of a rank, forward and backward")
    parser.add_argument("--memory", type=float, default=15e9, help="bytes a second of a rank's memory (15e9)")
    parser.add_argument("--check", type=Path, help="a file of measurements")
    options = parser.parse_args()
    if options.check:
        print("\n".join(check(options.check)))
        return
    work = work_of(TransformerConfig.preset(options.preset, vocabulary_size=options.vocabulary))
    print(f"{options.preset}: {work.parameters:,} parameters, {BYTES * work.parameters / 1e6:.0f} MB of gradients, "
          f"{len(work.buckets)} buckets; {options.batch_tokens:,} target tokens a step")  # fmt: skip
    machines = {
        "a host of 16 cores, 3,000 tokens/s": Machine(3000, 60e9),
        "a P100 as the paper's, 7,800 tokens/s": Machine(7800, 500e9),
        "a card of 200,000 tokens/s (assumed)": Machine(200000, 3e12),
    }
    if options.speed:
        machines = {f"{options.speed:,.0f} tokens/s": Machine(options.speed, options.memory)}
    for name, machine in machines.items():
        print(f"\n{name}: efficiency; in brackets the batch that would give {GOOD:.0%}\n")
        print("\n".join(table(work, machine, options.batch_tokens)))
        print(f"\n{name}: up to so many ranks reach {GOOD:.0%}\n")
        print("\n".join(remedies(work, machine, options.batch_tokens)))
        print(f"\n{name}: 100,000 steps of {options.batch_tokens:,} tokens\n")
        print("\n".join(recipe(work, machine, steps=100_000, tokens=options.batch_tokens)))


if __name__ == "__main__":
    main()
