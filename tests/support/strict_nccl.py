"""`cuda.nccl` of the stand-in for CuPy: sums over the ranks that mpiexec started, or over one.

As NCCL does, it takes addresses, counts and the number of a stream, and returns at once; strict_cuda.work tells what
was put on which stream. The pretended card is quick: it has the result by then.
"""

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np
import strict_cuda

NCCL_SUM, NCCL_FLOAT32, NCCL_FLOAT64 = 0, 7, 8
_DTYPES = {NCCL_FLOAT32: np.float32, NCCL_FLOAT64: np.float64}
BYTES_OF_ID = 128


def get_unique_id() -> tuple[int, ...]:
    """As NCCL's: so many signed bytes."""
    return tuple(range(-64, BYTES_OF_ID - 64))


class NcclCommunicator:
    """The ranks, and this one's place among them."""

    def __init__(self, ndev: int, commId: tuple[int, ...], rank: int) -> None:
        assert commId == get_unique_id()
        self._world: Any = SimpleNamespace(Allreduce=lambda place, array: None, Bcast=lambda array, root: None)
        self._in_place: Any = None
        if ndev > 1:
            from mpi4py import MPI

            self._world, self._in_place = MPI.COMM_WORLD, MPI.IN_PLACE
            assert (ndev, rank) == (self._world.size, self._world.rank)

    def allReduce(  # noqa: N802 (CuPy's name)
        self, sendbuf: int, recvbuf: int, count: int, datatype: int, op: int, stream: int
    ) -> None:
        assert sendbuf == recvbuf
        assert op == NCCL_SUM
        array = _memory(recvbuf, count, datatype)
        strict_cuda.work.append((stream, "sum", (recvbuf, array.copy())))
        self._world.Allreduce(self._in_place, array)

    def bcast(self, buff: int, count: int, datatype: int, root: int, stream: int) -> None:
        array = _memory(buff, count, datatype)
        strict_cuda.work.append((stream, "broadcast", (buff, count)))
        self._world.Bcast(array, root)


def _memory(address: int, count: int, datatype: int) -> np.ndarray:
    dtype = np.dtype(_DTYPES[datatype])
    return np.frombuffer((ctypes.c_char * (count * dtype.itemsize)).from_address(address), dtype=dtype)
