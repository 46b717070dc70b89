"""Which run a program takes when none was named."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy_transformer.errors import InputError
from numpy_transformer.storage.run_files import RunFiles, run_name, runs_in

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


def begun_or_new(run: str | None, given: Mapping[str, Any]) -> tuple[str, bool]:
    """What --resume-or-begin trains: the run's folder, and whether a run has begun there.

    Without --run the folder is runs/NAME, always the same one. `given` are the run's options.
    """
    from numpy_transformer.training.options import TrainingOptions  # --help should not wait for it

    if run is None:
        run = str(RUNS / run_name(TrainingOptions.for_data(given).data))
    return run, bool(run) and RunFiles(run).exists()
