"""How long does a training take to a BLEU? The curve over time of one recipe, or of several.

    python benchmarks/time_to_quality.py RUN [RUN ...] --targets 90 97        finished or running runs: their logs
    python benchmarks/time_to_quality.py RUN --targets 97 --train phrasebook [--minutes 5] [--workers 2]

With --train, RUN is made first, by the recipe of the text, and evaluated about every twentieth of its time. For each
target the table has the first evaluation that reached it: minutes since the run began (preparation and evaluations
included), updates, and target tokens. BLEU is that of the evaluations, greedy translations of at most 200 validation
sentences: the test set has no part in it. An evaluation more often makes the answer finer and the run slower.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy_transformer as nt
from numpy_transformer.errors import InputError
from numpy_transformer.program import run_program
from numpy_transformer.training.run_folder import RunFolder


class Reached(NamedTuple):
    """The first evaluation of a run that is at least as good as its target."""

    minutes: float
    step: int
    bleu: float


def first_at_least(log: Sequence[dict[str, Any]], target: float) -> Reached | None:
    """The first evaluation in a run's log with this BLEU; None if there is none.

    >>> log = [{"kind": "evaluation", "step": 9, "bleu": 8.0, "seconds": 60.0}]
    >>> first_at_least(log, 7.5), first_at_least(log, 9.0)
    (Reached(minutes=1.0, step=9, bleu=8.0), None)
    """
    for record in log:
        if record["kind"] == "evaluation" and record["bleu"] >= target:
            return Reached(record["seconds"] / 60, record["step"], record["bleu"])
    return None


def table(runs: Sequence[Path], targets: Sequence[float]) -> None:
    """Each run and target."""
    print("| run | target BLEU | minutes | updates | BLEU then | best BLEU |")
    print("|---|---|---|---|---|---|")
    for run in runs:
        log = RunFolder(run).read_log()
        evaluations = [record for record in log if record["kind"] == "evaluation"]
        if not evaluations:
            raise InputError(f"{run}: has no evaluation yet: let it train, or name another run")
        best = max(record["bleu"] for record in evaluations)
        for target in targets:
            found = first_at_least(log, target)
            when = "not reached | | " if found is None else f"{found.minutes:.1f} | {found.step:,} | {found.bleu:.1f}"
            print(f"| {run.name} | {target:g} | {when} | {best:.1f} |")
        print("\n" + run.name + ": BLEU by minutes")
        print("  ".join(f"{record['seconds'] / 60:.1f} {record['bleu']:.1f}" for record in evaluations) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", metavar="RUN", type=Path, nargs="+")
    parser.add_argument("--targets", type=float, nargs="+", required=True, metavar="BLEU")
    parser.add_argument("--train", metavar="DATA", help="make the run first: what train.py's --data takes")
    parser.add_argument("--data-dir", metavar="DIR")
    parser.add_argument("--minutes", type=float, help="of that run (its recipe's)")
    parser.add_argument("--workers", type=int, metavar="N")
    parser.add_argument("--evaluate-every", type=int, metavar="N", help="updates (its recipe's)")
    told = parser.parse_args()
    if told.train is not None:
        if len(told.runs) > 1:
            raise InputError("--train makes one run: name one")
        names = ("data_dir", "minutes", "workers", "evaluate_every")
        nt.train(data=told.train, run=told.runs[0], **{name: getattr(told, name) for name in names})
    table(told.runs, told.targets)


if __name__ == "__main__":
    sys.exit(run_program(main))
