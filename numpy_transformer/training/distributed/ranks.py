"""What the ranks of a run can do with each other, whatever carries it."""

import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from bpe import TokenizerError
from numpy_transformer.backend.arrays import Array
from numpy_transformer.errors import InputError
from numpy_transformer.program import INPUT_ERROR_STATUS
from numpy_transformer.training.distributed.watch import Watch
from numpy_transformer.training.distributed.watchman import GRACE, SILENCE

USERS_AND_SYSTEMS = (InputError, TokenizerError, OSError, MemoryError, KeyboardInterrupt)  # no defects of the program


class RanksGoneError(RuntimeError):
    """The wait for other ranks is over, because the run is."""


class Ranks(Protocol):
    """The processes of one run, and this one's place among them.

    All ranks make the same calls in the same order. One of them waits for the others without keeping a core busy.
    Small messages are numbers, texts, booleans, None, and lists and dicts of them.
    """

    device: str  # "cpu" or "gpu": where it sums
    rank: int  # 0 leads
    size: int
    host: str  # this rank's
    watch: Watch  # of the ranks over each other

    def broadcast(self, value: Any) -> Any:
        """Rank 0's small message, for all; what the others give is not looked at."""

    def gather(self, value: Any) -> list[Any]:
        """The small messages of all ranks in their order, for all."""

    def broadcast_array(self, array: Array) -> None:
        """Rank 0's numbers replace those of the others."""

    def sum(self, array: Array) -> None:
        """Replace a part of a flat buffer by the sum over all ranks: the same bits on each of them.

        On a GPU, this is one more piece of work on the current stream; the host does not wait.
        """

    def give_up(self) -> None:
        """A rank has failed: whoever waits here for the others gets a RanksGoneError."""

    def close(self) -> None:
        """The run has ended as it should, on all ranks."""


@contextmanager
def open_ranks(kind: str, *, ordered: bool = False) -> Iterator[Ranks]:
    """This process among the ranks it was started with. When one of them fails, all end.

    With `ordered`, sums are made in the order of ranks. Raises InputError if it was not started as a rank, or what
    carries the messages is missing; and for an error of the system on rank 0, which it names. Another rank's error is
    said by its watchman, and does not come back from here.
    """
    from numpy_transformer.training.distributed.mpi import MpiRanks
    from numpy_transformer.training.distributed.nccl import NcclRanks

    if kind == "nccl" and ordered:
        raise InputError("--ordered-sum goes with --distributed mpi: NCCL's sums have an order of their own")
    ranks: Ranks = MpiRanks(ordered=ordered) if kind == "mpi" else NcclRanks()
    try:
        yield ranks
        ranks.close()
    except BaseException as error:
        ranks.watch.failed(_said(error))
        ranks.give_up()
        if not isinstance(error, InputError | TokenizerError | KeyboardInterrupt):
            time.sleep(2 * GRACE)  # if another rank's end caused it, that is said, and this one is killed
        if ranks.rank:
            if not isinstance(error, USERS_AND_SYSTEMS):
                traceback.print_exc()
            time.sleep(SILENCE)  # until this process is killed
            os._exit(INPUT_ERROR_STATUS)
        if isinstance(error, OSError | MemoryError):
            raise InputError(f"rank 0 on {ranks.host}: {_said(error)}") from None
        raise


def _said(error: BaseException) -> str:
    """An error in a line."""
    if isinstance(error, OSError):
        return (f"{error.filename}: " if error.filename is not None else "") + (error.strerror or str(error))
    if isinstance(error, MemoryError):
        return f"out of memory{f' ({error})' if str(error) else ''}"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return str(error) if isinstance(error, USERS_AND_SYSTEMS) else f"{type(error).__name__}: {error}"


def cores_for_each(ranks: Ranks, cores: int, allowed: list[int]) -> int:
    """The share of this rank, when all ranks of a host that may run on the same processors share its `cores` cores.

    `allowed` are the numbers of these processors: an MPI that binds ranks to cores of their own has divided them.
    """
    mine = [ranks.host, sorted(allowed)]
    return max(1, cores // ranks.gather(mine).count(mine))
