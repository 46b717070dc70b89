"""Work on a stream in several processes, with the results in the order of the stream."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from bpe.workers import WorkerError, in_order, worker_pool
from numpy_transformer.errors import InputError

MOST_PROCESSES = 16  # one process reads for all of them


def can_fork() -> bool:
    """Whether processes can be started that do not begin the user's script again."""
    return "fork" in multiprocessing.get_all_start_methods()


def in_processes(
    function: Callable[..., Any],
    calls: Iterable[tuple[Any, ...]],
    *,
    processes: int,
    begin: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
) -> Iterator[Any]:
    """function(*call) for each of `calls`, in their order, by `processes` that first call begin(*arguments).

    Where a process cannot be forked, this one does the work. Raises what a call raises, and InputError if a process
    is ended.
    """
    if not can_fork():
        if begin is not None:
            begin(*arguments)
        yield from (function(*call) for call in calls)
        return
    try:
        with worker_pool(min(processes, MOST_PROCESSES), method="fork", begin=begin, arguments=arguments) as pool:
            yield from in_order(pool, function, calls)
    except WorkerError:
        raise InputError("a process that prepares the text was ended, perhaps for want of memory: free some") from None
