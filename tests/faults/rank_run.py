"""One rank of a small run, as train.py does it: `mpiexec -n R python rank_run.py RUN DATA OPTIONS [FAULT]`.

FAULT is a rank and what happens to it: "1 no memory", "0 full disk".
"""

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

import child_run
import pytest
import small_run

from numpy_transformer.program import run_program
from numpy_transformer.training import reporting
from numpy_transformer.training.distributed.following import follow
from numpy_transformer.training.distributed.leading import Leader
from numpy_transformer.training.distributed.open_ranks import open_ranks
from numpy_transformer.training.distributed.rank_workers import RankWorkers
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.translation import translator

STEPS_BEFORE = 5


def fail(fault: str) -> None:
    """Let this rank run out of memory after some steps, or out of disk in its first evaluation."""

    def save_step(folder: RunFolder, model: Any, step: int, *, keep: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder.step_file(step)))

    if fault == "full disk":
        RunFolder.save_step = save_step
        return
    whole, left = RankWorkers.loss_and_gradients, [STEPS_BEFORE]

    def loss_and_gradients(*arguments: Any, **options: Any) -> float:
        left[0] -= 1
        if not left[0]:
            raise MemoryError("too much")
        return whole(*arguments, **options)

    RankWorkers.loss_and_gradients = loss_and_gradients


def main(path: Path, data: Path, options: dict[str, Any], fault: str = "") -> int:
    small_run.smaller(pytest.MonkeyPatch())
    reporting.draw_curves = child_run.quick_curves
    translator.EXTRA_LENGTH = 2
    with open_ranks("mpi") as ranks:
        (path.parent / f"{path.name}.{ranks.rank}").write_text(str(os.getpid()))
        if fault.startswith(str(ranks.rank)):
            fail(fault[2:])
        if ranks.rank:
            follow(ranks, options)
            return 0
        folder, leader = RunFolder(path), Leader(ranks, options)
        new = not folder.config_file.exists()
        with folder.claimed(new=new):
            run = small_run.begun(path, data, leader, **options) if new else small_run.resumed(path, leader)
            return 0 if run.run() else 128 + (run.stopped_by or 0)


if __name__ == "__main__":
    run_path, text, told, *more = sys.argv[1:]
    sys.exit(run_program(lambda: main(Path(run_path), Path(text), json.loads(told), *more)))
