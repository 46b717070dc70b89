"""Ranks that MPI carries (the standard of 1994, in every cluster), through the package mpi4py.

A call of MPI that waits keeps its core busy asking, which another rank or a worker may need. So the ranks first meet: a
barrier that does not block, asked with pauses between (`_meet`). Then all of them are there, and the transfer itself
runs at full speed.

Sums. MPI's own all-reduce gives the same bits on every rank, and in practice from run to run; the standard only advises
it. The ordered sum leaves nothing to it: each rank gets one piece of the buffer from all the others, adds them in the
order of ranks,

    s_p = g_0p + g_1p + ... + g_(R-1)p        p: this rank's piece

and gives the sum to all. That moves as many bytes as the best all-reduce, 2 (R-1)/R n for each rank.
"""

import os
import time
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.errors import InputError

SPINS = 20  # questions without a pause: a message between two cores takes a microsecond
SHORTEST_PAUSE, LONGEST_PAUSE = 2e-5, 2e-3  # seconds; the longer it has lasted, the longer it may last
STARTED_BY = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "MPI_LOCALRANKID")


class MpiRanks:
    """The processes that mpiexec started; `ranks.Ranks` says what the methods do."""

    told_to_stop = False

    def __init__(self, *, ordered: bool = False) -> None:
        """Raises InputError without mpi4py, without an MPI library, or if mpiexec did not start this process."""
        self._mpi = mpi = _imported()
        self._world = mpi.COMM_WORLD
        self.rank, self.size = self._world.Get_rank(), self._world.Get_size()
        if self.size == 1 and not any(name in os.environ for name in STARTED_BY):
            raise InputError(
                "--distributed mpi: this process is alone; start it with mpiexec -n 2 python train.py ... "
                "(or your batch system's srun)"
            )
        if mpi.Query_thread() < mpi.THREAD_SERIALIZED:
            raise InputError("--distributed mpi: this MPI library serves the main thread only; use one with threads")
        self.host = mpi.Get_processor_name()
        self._ordered = ordered

    def broadcast(self, value: Any) -> Any:
        self._meet()
        return self._world.bcast(value)

    def gather(self, value: Any) -> list[Any]:
        self._meet()
        return self._world.allgather(value)

    def broadcast_array(self, array: Array) -> None:
        self._meet()
        self._world.Bcast(array)

    def sum(self, array: Array) -> None:
        self._meet()
        if self._ordered:
            self._ordered_sum(array)
        else:
            self._world.Allreduce(self._mpi.IN_PLACE, array)

    def close(self) -> None:
        self._meet()
        self._mpi.Finalize()

    def _ordered_sum(self, array: Array) -> None:
        edges = np.linspace(0, len(array), self.size + 1).astype(int)
        counts = np.diff(edges).tolist()
        starts, own = edges[:-1].tolist(), counts[self.rank]
        parts = np.empty((self.size, own), dtype=array.dtype)
        received = [own] * self.size, [own * rank for rank in range(self.size)]
        self._world.Alltoallv([array, (counts, starts)], [parts, received])
        for part in parts[1:]:
            parts[0] += part
        self._world.Allgatherv(parts[0], [array, (counts, starts)])

    def _meet(self) -> None:
        """Wait until every rank is here."""
        request = self._world.Ibarrier()
        pause = SHORTEST_PAUSE
        asked = 0
        while not request.Test():
            asked += 1
            if asked > SPINS:
                time.sleep(pause)
                pause = min(1.2 * pause, LONGEST_PAUSE)


def _imported() -> Any:
    try:
        import mpi4py
    except ModuleNotFoundError:
        raise InputError("--distributed mpi needs the package mpi4py: pip install mpi4py mpich") from None
    mpi4py.rc.finalize = False  # a rank that fails must not wait for the others in there
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"--distributed mpi: mpi4py finds no MPI library ({reason}); pip install mpich, or install the system's"
        ) from None
    return MPI
