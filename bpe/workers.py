"""Worker processes that never outlive the process that started them, however it ends.

Each worker has a pipe of its own. The parent sends it a task when it is idle, and takes the answer when somebody asks
for a result: no thread, no lock, nothing that a killed process could leave half done for the others. (The pool of
concurrent.futures waits for ever if a worker is killed while it writes into the pipe that all of them share.)
After an error or Ctrl-C in the parent the workers are killed, since nobody wants their results; if the parent itself is
killed, a thread in each worker notices, and ends it.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from .signals import ENDING_SIGNALS

WORKERS_PER_PROCESSOR = 8  # at most; more than one slow each other down


class WorkerError(RuntimeError):
    """A worker process has ended, perhaps for want of memory."""


def most_workers() -> int:
    """How many worker processes are reasonable on this computer, at most."""
    return WORKERS_PER_PROCESSOR * (os.cpu_count() or 1)


class Task:
    """A call that a worker makes."""

    def __init__(self, pool: "WorkerPool", call: tuple[Any, ...]) -> None:
        self._pool = pool
        self.call = call
        self.answer: tuple[bool, Any] | None = None  # whether it succeeded; its value or its exception

    def done(self) -> bool:
        """Whether the answer is there."""
        self._pool.advance(block=False)
        return self.answer is not None

    def result(self) -> Any:
        """Wait for the value, or raise what the call raised. Raises WorkerError if a worker has ended."""
        while self.answer is None:
            self._pool.advance(block=True)
        succeeded, value = self.answer
        if not succeeded:
            raise value
        return value


class WorkerPool:
    """Some workers, the tasks that they have, and those that wait. Made by `worker_pool`."""

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self._busy: dict[Connection, Task] = {}
        self._waiting: deque[Task] = deque()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Task:
        """Let a worker call function(*arguments); all of it must be picklable."""
        task = Task(self, (function, *arguments))
        self._waiting.append(task)
        self.advance(block=False)
        return task

    def advance(self, *, block: bool) -> None:
        """Take the answers that are there, after waiting for one if `block`; give the idle workers tasks."""
        if self._busy:
            for connection in wait(list(self._busy), None if block else 0):
                assert isinstance(connection, Connection)
                with _noticing_its_end():
                    self._busy.pop(connection).answer = connection.recv()
        for connection in self.connections:
            if self._waiting and connection not in self._busy:
                self._busy[connection] = task = self._waiting.popleft()
                with _noticing_its_end():
                    connection.send(task.call)


def in_order(
    pool: WorkerPool, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]], *, ahead: int = 1
) -> Iterator[Any]:
    """function(*arguments) for each of `calls`, in their order.

    Each worker has a call, and `ahead` wait for each, so that a stream is not read faster than it is worked on.
    """
    running: deque[Task] = deque()
    for arguments in calls:
        running.append(pool.submit(function, *arguments))
        if len(running) > (1 + ahead) * len(pool.connections):
            yield running.popleft().result()
    while running:
        yield running.popleft().result()


@contextlib.contextmanager
def worker_pool(
    count: int, *, method: str | None = None, begin: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()
) -> Iterator[WorkerPool]:
    """A pool of `count` processes, each of which calls begin(*arguments) first.

    `method` is how they are started (multiprocessing.get_context). Ctrl-C, which reaches every process of a terminal,
    is for the parent to answer.
    """
    context: Any = multiprocessing.get_context(method)
    pool, processes = WorkerPool(), []
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            pool.connections.append(ours)
            # A forked process has copies of our ends: with them open, it would not notice that we closed ours.
            inherited = list(pool.connections) if context.get_start_method() == "fork" else []
            process = context.Process(target=_work, args=(theirs, inherited, begin, arguments), daemon=True)
            processes.append(process)
            with _signals_later():
                process.start()
            theirs.close()
        yield pool
    except BaseException:
        for process in processes:
            if process.pid is not None:
                process.kill()
        raise
    finally:
        for connection in pool.connections:
            connection.close()
        for process in processes:
            if process.pid is not None:
                process.join()


@contextlib.contextmanager
def _signals_later() -> Iterator[None]:
    """Ending signals wait until the block ends, where the system can do that.

    Python calls functions after a fork (logging has one), and ignores what a signal's handler raises in them: a Ctrl-C
    or SIGTERM at this moment would be lost.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _noticing_its_end() -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError):
        raise WorkerError("a worker process was ended") from None


def _work(
    tasks: Connection, inherited: list[Connection], begin: Callable[..., None] | None, arguments: tuple[Any, ...]
) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):  # the parent's handlers were inherited
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) != signal.SIG_IGN:
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):  # they were to wait only while this process was started
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING_SIGNALS)
    for connection in inherited:
        connection.close()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if begin is not None:
        begin(*arguments)
    with contextlib.suppress(EOFError, OSError):  # the parent needs no more results
        while True:
            function, *its_arguments = tasks.recv()
            try:
                answer = True, function(*its_arguments)
            except Exception as error:
                answer = False, error
            tasks.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
