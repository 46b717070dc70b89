"""What the ranks of a run can do with each other, whatever carries it."""

from typing import Any, Protocol

from numpy_transformer.backend.arrays import Array
from numpy_transformer.training.distributed.watch import Watch


class RanksGoneError(RuntimeError):
    """The wait for other ranks is over, because the run is."""


class Ranks(Protocol):
    """The processes of one run, and this one's place among them.

    All ranks make the same calls in the same order. One of them waits for the others without keeping a core busy.
    Small messages are numbers, texts, booleans, None, and lists and dicts of them.
    """

    device: str  # "cpu" or "gpu": where it sums
    ordered: bool  # whether sums are made in the order of ranks
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


def cores_for_each(ranks: Ranks, cores: int, allowed: list[int]) -> int:
    """The share of this rank, when all ranks of a host that may run on the same processors share its `cores` cores.

    `allowed` are the numbers of these processors: an MPI that binds ranks to cores of their own has divided them.
    """
    mine = [ranks.host, sorted(allowed)]
    return max(1, cores // ranks.gather(mine).count(mine))
