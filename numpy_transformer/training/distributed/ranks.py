"""What the ranks of a run can do with each other, whatever carries it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from numpy_transformer.backend.arrays import Array
from numpy_transformer.errors import InputError

KINDS = ("mpi", "nccl")


class Ranks(Protocol):
    """The processes of one run, and this one's place among them.

    All ranks make the same calls in the same order. One of them waits for the others without keeping a core busy.
    Small messages are numbers, texts, booleans, None, and lists and dicts of them.
    """

    rank: int  # 0 leads
    size: int
    host: str  # this rank's
    told_to_stop: bool  # a follower was asked to end the run

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

    def close(self) -> None:
        """The run has ended as it should, on all ranks."""


@contextmanager
def open_ranks(kind: str, *, ordered: bool = False) -> Iterator[Ranks]:
    """This process among the ranks it was started with. When it fails, all end (watch.py).

    With `ordered`, sums are made in the order of ranks. Raises InputError if it was not started as a rank, or what
    carries the messages is missing.
    """
    from numpy_transformer.training.distributed.mpi import MpiRanks

    if kind not in KINDS:
        raise InputError(f"--distributed {kind}: it must be {' or '.join(KINDS)}")
    ranks = MpiRanks(ordered=ordered)
    yield ranks
    ranks.close()


def cores_for_each(ranks: Ranks, cores: int, allowed: list[int]) -> int:
    """The share of this rank, when all ranks of a host that may run on the same processors share its `cores` cores.

    `allowed` are the numbers of these processors: an MPI that binds ranks to cores of their own has divided them.
    """
    mine = [ranks.host, sorted(allowed)]
    return max(1, cores // ranks.gather(mine).count(mine))
