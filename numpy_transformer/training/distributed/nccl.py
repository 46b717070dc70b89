"""Ranks with a GPU each, whose sums NCCL makes, NVIDIA's library for that, through CuPy (cupy.cuda.nccl).

Only numbers that live on cards go through NCCL; small messages go through MPI (mpi.py) or, where mpiexec did not start
the ranks, over TCP (star.py). So does the id by which the ranks' communicators find each other. Each call here puts one
more piece of work on the current stream and returns.
"""

import os
from typing import Any

from numpy_transformer.backend.arrays import device_module
from numpy_transformer.errors import InputError
from numpy_transformer.training.distributed.mpi import MpiRanks, started_by_mpi
from numpy_transformer.training.distributed.star import Star
from numpy_transformer.training.distributed.watch import Watch

DTYPES = {"float32": "NCCL_FLOAT32", "float64": "NCCL_FLOAT64"}


class NcclRanks:
    """The processes of one run, one for each card; `ranks.Ranks` says what the methods do."""

    device = "gpu"
    ordered = False

    def __init__(self) -> None:
        """Raises InputError without CuPy, a card for each rank of this host, or NCCL."""
        cuda = device_module("gpu").cuda
        self._talk: MpiRanks | Star = MpiRanks() if started_by_mpi() else Star()
        self.rank, self.size, self.host = self._talk.rank, self._talk.size, self._talk.host
        self.watch = (
            self._talk.watch
            if isinstance(self._talk, MpiRanks)
            else Watch(self.rank, self.size, self.host, self.broadcast)
        )
        cuda.Device(self._card(cuda.runtime.getDeviceCount())).use()
        try:
            from cupy.cuda import nccl

            unique = self.broadcast(list(nccl.get_unique_id()) if self.rank == 0 else None)
        except (ImportError, AttributeError) as error:
            raise InputError(
                f"--distributed nccl: CuPy finds no NCCL ({error}); pip install nvidia-nccl-cu12, or use the system's"
            ) from None
        self._nccl, self._cuda = nccl, cuda
        self._communicator = nccl.NcclCommunicator(self.size, tuple(unique), self.rank)

    def broadcast(self, value: Any) -> Any:
        return self._talk.broadcast(value)

    def gather(self, value: Any) -> list[Any]:
        return self._talk.gather(value)

    def broadcast_array(self, array: Any) -> None:
        self._communicator.bcast(array.data.ptr, array.size, self._dtype(array), 0, self._stream())

    def sum(self, array: Any) -> None:
        place, operation = array.data.ptr, self._nccl.NCCL_SUM
        self._communicator.allReduce(place, place, array.size, self._dtype(array), operation, self._stream())

    def give_up(self) -> None:
        if isinstance(self._talk, MpiRanks):
            self._talk.give_up()

    def close(self) -> None:
        if isinstance(self._talk, Star):
            self.watch.close()
        self._talk.close()

    def _dtype(self, array: Any) -> int:
        return getattr(self._nccl, DTYPES[str(array.dtype)])

    def _stream(self) -> int:
        return self._cuda.get_current_stream().ptr

    def _card(self, cards: int) -> int:
        """The number of this rank's card among those that it sees."""
        hosts = self.gather(self.host)
        place = int(os.environ.get("LOCAL_RANK", hosts[: self.rank].count(self.host)))
        if cards == 1:  # a batch system shows each rank a card of its own
            return 0
        if place >= cards:
            raise InputError(
                f"--distributed nccl: rank {self.rank} is number {place + 1} on {self.host}, which has {cards} cards: "
                "start one rank for each card"
            )
        return place
