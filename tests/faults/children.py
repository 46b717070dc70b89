"""Work in forked processes that may be killed: everything is imported already, so a whole run takes a moment."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

FAILED = 70  # the status of a child with a defect


def started(work: Callable[[], int | None], output: Path | None = None) -> int:
    """The process that does it, with status 0 or what it returned, and what it prints in `output`."""
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    status = FAILED
    try:
        said = os.open(output or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        for descriptor in (1, 2):
            os.dup2(said, descriptor)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        status = work() or 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def ended(process: int) -> int:
    """Its status, negative for the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def done(work: Callable[[], int | None], output: Path | None = None) -> int:
    """The status of the work, done in a child."""
    return ended(started(work, output))


def all_done(works: Sequence[Callable[[], int | None]], folder: Path) -> tuple[list[int], list[str]]:
    """The statuses of works done side by side, and what each said."""
    outputs = [folder / f"{number}.said" for number in range(len(works))]
    processes = [started(work, output) for work, output in zip(works, outputs, strict=True)]
    statuses = [ended(process) for process in processes]
    return statuses, [output.read_text(errors="replace") for output in outputs]
