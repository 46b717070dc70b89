"""The mpiexec that starts ranks in tests, beside this Python or on the path; and whether it can, on this machine."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")


def reason_against() -> str | None:
    """Why no ranks can be started here; None if two that do nothing came to their end."""
    if MPIEXEC is None:
        return "no mpiexec: pip install -r requirements-mpi.txt"
    command = [MPIEXEC, "-n", "2", sys.executable, "-c", "from mpi4py import MPI; MPI.COMM_WORLD.Barrier()"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return "mpiexec hangs on this machine"
    return f"mpiexec cannot start ranks on this machine: {tried.stderr[-500:]}" if tried.returncode else None


def needs_mpi() -> pytest.MarkDecorator:
    """The mark of tests that start ranks."""
    reason = reason_against()
    return pytest.mark.skipif(reason is not None, reason=str(reason))
