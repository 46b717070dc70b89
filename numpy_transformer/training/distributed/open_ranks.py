"""A process becomes a rank, and what happens to the others when it fails."""

import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from bpe import TokenizerError
from bpe.signals import SAME_SECONDS
from numpy_transformer.errors import InputError
from numpy_transformer.program import INPUT_ERROR_STATUS
from numpy_transformer.training.distributed.mpi import MpiRanks
from numpy_transformer.training.distributed.nccl import NcclRanks
from numpy_transformer.training.distributed.ranks import Ranks
from numpy_transformer.training.distributed.watchman import GRACE, SILENCE

USERS_AND_SYSTEMS = (InputError, TokenizerError, OSError, MemoryError, KeyboardInterrupt)  # no defects of the program


@contextmanager
def open_ranks(kind: str, *, ordered: bool = False) -> Iterator[Ranks]:
    """This process among the ranks it was started with. When one of them fails, all end.

    With `ordered`, sums are made in the order of ranks. Raises InputError if it was not started as a rank, or what
    carries the messages is missing; and for an error of the system on rank 0, which it names. Another rank's error is
    said by its watchman, and does not come back from here.
    """
    if kind == "nccl" and ordered:
        raise InputError("--ordered-sum goes with --distributed mpi: NCCL's sums have an order of their own")
    ranks: Ranks = MpiRanks(ordered=ordered) if kind == "mpi" else NcclRanks()
    try:
        yield ranks
        ranks.close()
    except BaseException as error:
        if ranks.rank and isinstance(error, InputError | TokenizerError | KeyboardInterrupt):
            time.sleep(SAME_SECONDS)  # rank 0 mostly has the same error, or the same signal, and says so itself
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
