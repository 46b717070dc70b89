"""nt.train: what train.py does, as a function."""

import argparse
import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy_transformer.commands.latest import begun_or_new
from numpy_transformer.commands.train import RUNS
from numpy_transformer.commands.train import train as train_as_told
from numpy_transformer.errors import InputError

if TYPE_CHECKING:  # imported when needed: translating should not wait for what only training uses
    from numpy_transformer.training.training_step import TrainingStep
    from numpy_transformer.translation.translator import Translator


@dataclass(frozen=True)
class TrainingRun:
    """What `train` returns.

    folder: the run folder, as train.py writes it.
    finished: False if the run was stopped before its end; `train(run=folder, resume=True)` goes on with it.
    """

    folder: Path
    finished: bool

    def translator(self, *, device: str = "cpu") -> "Translator":
        """A translator with the run's best model, as `Translator.load` opens it."""
        from numpy_transformer.translation.translator import Translator

        return Translator.load(self.folder, device=device)

    def log(self) -> list[dict[str, Any]]:
        """The records of log.jsonl: every tenth step, the evaluations, the test."""
        from numpy_transformer.training.run_folder import RunFolder

        return RunFolder(self.folder).read_log()


def train(
    *,
    run: str | Path | None = None,
    resume: bool = False,
    resume_or_begin: bool = False,
    callback: "Callable[[TrainingStep], bool | None] | None" = None,
    quiet: bool = False,
    **options: Any,
) -> TrainingRun:
    """Train a model, as train.py does.

    >>> run = train(data="phrasebook", minutes=5, run="runs/mine")  # doctest: +SKIP
    >>> run.translator().translate(["Hello!"])  # doctest: +SKIP
    ['Hallo!']

    run: the folder of the run; by default a new one in runs/, named after the data.
    resume: go on with the run in `run`, or with the latest one.
    resume_or_begin: go on with the run in `run` (runs/NAME) if there is one, else begin it.
    callback: called after each step with a TrainingStep (training/training_step.py); if it returns False, the run is
        saved and ends. On a GPU, which computes ahead, it is called for ten steps at a time.
    quiet: print nothing.
    options: those of train.py, by the same names with underscores: nt.TrainingOptions lists them. Defaults depend on
        the data, as for train.py; None stands for the default.

    Ctrl-C saves the run and returns; the result is then not `finished`. Raises InputError for an unknown option or an
    impossible value, DivergenceError (training/diagnostics.py) if the numbers stop being finite.
    """
    from numpy_transformer.storage.run_files import new_run_path, run_name, runs_in
    from numpy_transformer.terminal.display import SilentDisplay, make_display
    from numpy_transformer.training.options import TrainingOptions

    known = [field.name for field in dataclasses.fields(TrainingOptions)]
    for name in options.keys() - set(known):
        raise InputError(
            f"unknown option {name!r}; known are run, resume, resume_or_begin, callback, quiet, {', '.join(known)}"
        )
    given = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in options.items()
        if value is not None
    }
    if resume_or_begin:
        if resume:
            raise InputError("resume and resume_or_begin: give one of them")
        run, resume = begun_or_new(None if run is None else os.fspath(run), given)
    elif run is None and resume:
        runs = runs_in(RUNS, with_model=False)
        if not runs:
            raise InputError(f"resume: there is no run in {RUNS}/ yet; begin one without resume")
        run = runs[0]
    elif run is None:
        run = new_run_path(RUNS, run_name(TrainingOptions.for_data(given).data))
    told = argparse.Namespace(**given, run=os.fspath(run), **({"resume": True} if resume else {}))
    display = SilentDisplay() if quiet else make_display()
    return TrainingRun(Path(run), train_as_told(told, display=display, on_step=callback) == 0)
