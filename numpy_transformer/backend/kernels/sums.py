"""Sums over many rows on a GPU, in two stages: a kernel leaves partial sums, and `add_up` sums those (sums.cu).

A backward has about a hundred second stages, each too small to fill a card. So a training step lets them wait until its
end, and then one launch does all of them:

    with sums_together():
        ...loss and gradients; gradients of biases and norms are complete behind the with statement
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.kernels.launcher import Kernel
from numpy_transformer.backend.kernels.structs import StructType

MOST_SUMS = 160  # in one launch (sums.cu)
THREADS = 512
SUM = StructType("Sum", partial="pointer", out="pointer", parts="i4", columns="i4")
SUMS = StructType("Sums", of=(SUM, MOST_SUMS))

PartialSums: TypeAlias = tuple[Array, Array]  # partial (parts, D), and where their sum (D,) goes

_waiting: ContextVar[list[PartialSums] | None] = ContextVar("waiting", default=None)


@contextmanager
def sums_together() -> Iterator[None]:
    """Inside the with statement, in this thread, second stages wait; it ends with all of them, unless by an error."""
    waiting: list[PartialSums] = []
    token = _waiting.set(waiting)
    try:
        yield
        _launch(waiting)
    finally:
        _waiting.reset(token)


def add_up(*sums: PartialSums) -> None:
    """Writes the sum of each partial (parts, D) into its out (D,): now, or at the end of `sums_together`."""
    waiting = _waiting.get()
    if waiting is None:
        _launch(list(sums))
    else:
        waiting.extend(sums)


def _launch(sums: list[PartialSums]) -> None:
    for first in range(0, len(sums), MOST_SUMS):
        some = sums[first : first + MOST_SUMS]
        widest = max(out.size for _, out in some)
        table = SUMS([SUM(partial, out, *partial.shape) for partial, out in some])
        TOTAL_SUMS.launch(some[0][0], (-(-widest // 32), len(some)), THREADS, table)


TOTAL_SUMS = Kernel("sums", "total_sums")
