"""Ranks that MPI carries (the standard of 1994, in every cluster), through the package mpi4py.

A call of MPI that waits keeps its core busy asking, which another rank or a worker may need. So no call here waits:
each begins something, and asks with pauses between whether it is done (`_wait`). Asking also moves the bytes on.

Sums. MPI's own all-reduce gives the same bits on every rank, and in practice from run to run; the standard only advises
it. The ordered sum leaves nothing to it: each rank gets one piece of the buffer from all the others, adds them in the
order of ranks,

    s_p = g_0p + g_1p + ... + g_(R-1)p        p: this rank's piece

and gives the sum to all. That moves as many bytes as the best all-reduce, 2 (R-1)/R n for each rank.
"""

import json
import os
import time
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.errors import InputError
from numpy_transformer.training.distributed.ranks import RanksGoneError
from numpy_transformer.training.distributed.watch import Watch

SPINS = 20  # questions without a pause: a message between two cores takes a microsecond
SHORTEST_PAUSE, LONGEST_PAUSE, GROWTH = 2e-5, 2e-3, 1.1  # seconds; who has waited long can wait a little longer
HEAD, SLOT = 8, 512  # bytes: of a message's length, and of a message that needs no second round
STARTED_BY = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK", "MPI_LOCALRANKID")


class MpiRanks:
    """The processes that mpiexec started; `ranks.Ranks` says what the methods do."""

    device = "cpu"

    def __init__(self, *, ordered: bool = False) -> None:
        """Raises InputError without mpi4py, without an MPI library, or if mpiexec did not start this process."""
        self._mpi = mpi = _imported()
        self._world = mpi.COMM_WORLD
        self.rank, self.size = self._world.Get_rank(), self._world.Get_size()
        if self.size == 1 and not started_by_mpi():
            raise InputError(
                "--distributed mpi: this process is alone; start it with mpiexec -n 2 python train.py ... "
                "(or your batch system's srun)"
            )
        if mpi.Query_thread() < mpi.THREAD_SERIALIZED:
            raise InputError("--distributed mpi: this MPI library serves the main thread only; use one with threads")
        self.host = mpi.Get_processor_name()
        self.ordered = ordered
        self._given_up = False
        self.watch = Watch(self.rank, self.size, self.host, self.broadcast)

    def broadcast(self, value: Any) -> Any:
        content = json.dumps(value).encode() if self.rank == 0 else b""
        room = SLOT
        while True:  # once more, if the message is longer than a slot
            slot = _filled(content, room)
            self._wait(self._world.Ibcast(slot))
            if (length := _length(slot)) + HEAD <= room:
                return json.loads(slot[HEAD : HEAD + length].tobytes())
            room = length + HEAD

    def gather(self, value: Any) -> list[Any]:
        content = json.dumps(value).encode()
        room = SLOT
        while True:  # once more, if one of the messages is longer than a slot
            slots = np.empty((self.size, room), dtype=np.uint8)
            self._wait(self._world.Iallgather(_filled(content, room), slots))
            lengths = [_length(slot) for slot in slots]
            if (longest := max(lengths)) + HEAD <= room:
                return [json.loads(slot[HEAD : HEAD + n].tobytes()) for slot, n in zip(slots, lengths, strict=True)]
            room = longest + HEAD

    def broadcast_array(self, array: Array) -> None:
        self._wait(self._world.Ibcast(array))

    def sum(self, array: Array) -> None:
        if self.ordered:
            self._ordered_sum(array)
        else:
            self._wait(self._world.Iallreduce(self._mpi.IN_PLACE, array))

    def give_up(self) -> None:
        self._given_up = True

    def close(self) -> None:
        self.watch.close()
        self._wait(self._world.Ibarrier())  # the end of MPI waits for all, and asks without a pause
        self._mpi.Finalize()

    def _ordered_sum(self, array: Array) -> None:
        edges = np.linspace(0, len(array), self.size + 1).astype(int)
        counts = np.diff(edges).tolist()
        starts, own = edges[:-1].tolist(), counts[self.rank]
        parts = np.empty((self.size, own), dtype=array.dtype)
        received = [own] * self.size, [own * rank for rank in range(self.size)]
        self._wait(self._world.Ialltoallv([array, (counts, starts)], [parts, received]))
        for part in parts[1:]:
            parts[0] += part
        self._wait(self._world.Iallgatherv(parts[0], [array, (counts, starts)]))

    def _wait(self, request: Any) -> None:
        """Until what was begun is done."""
        pause = SHORTEST_PAUSE
        asked = 0
        while not request.Test():
            asked += 1
            if self._given_up:
                raise RanksGoneError
            if asked > SPINS:
                time.sleep(pause)
                pause = min(GROWTH * pause, LONGEST_PAUSE)


def started_by_mpi() -> bool:
    """Whether mpiexec, or a batch system in its place, started this process as a rank."""
    return any(name in os.environ for name in STARTED_BY)


def _filled(content: bytes, room: int) -> Array:
    """A slot of `room` bytes: how long the message is, then as much of it as there is room for."""
    slot = np.zeros(room, dtype=np.uint8)
    slot[:HEAD].view(np.int64)[0] = len(content)
    slot[HEAD : HEAD + len(content)] = np.frombuffer(content[: room - HEAD], dtype=np.uint8)
    return slot


def _length(slot: Array) -> int:
    return int(slot[:HEAD].view(np.int64)[0])


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
