"""Which run a program takes when none was named."""

import sys
from collections.abc import Sequence
from pathlib import Path

from numpy_transformer.errors import InputError
from numpy_transformer.storage.run_files import runs_in

RUNS = Path("runs")


def take_latest(runs: Sequence[Path], *, what: str, option: str) -> Path:
    """The first of the runs, the latest; where there are several, standard error says which that is.

    what: what the run is for the program; option: the one that would name another run.
    """
    if len(runs) > 1:
        print(f"{what}: {runs[0]}, the latest of {len(runs):,} runs; {option} names another", file=sys.stderr)
    return runs[0]


def named_or_latest(model: str | None, *, kind: str) -> Path:
    """The `model` of --model, or the latest run of this kind. Raises InputError if there is none."""
    if model is not None:
        return Path(model)
    runs = runs_in(RUNS, with_model=True, kind=kind)
    if not runs:
        how = "--data tones" if kind == "sound" else f"--model {kind}"
        raise InputError(f"there is no run of a model of the kind {kind} in {RUNS}/: python train.py {how}")
    return take_latest(runs, what="model", option="--model")
