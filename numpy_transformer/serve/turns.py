"""One at a time, in the order of arrival."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL_SECONDS = 0.2  # how often those who wait are asked whether they still want their turn


class TooManyError(Exception):
    """All places in the queue are taken."""


class Turns:
    """A queue for something that only one thread may use at a time: one has its turn, `places` more may wait."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._line: deque[object] = deque()  # the first one has its turn
        self._changed = threading.Condition()

    def __len__(self) -> int:
        """How many have their turn or wait for it."""
        return len(self._line)

    @contextmanager
    def turn(self, waiting: Callable[[int], None]) -> Iterator[None]:
        """Wait for a turn, and keep it while the context is active.

        During the wait, `waiting` is called repeatedly with the number of those ahead; if it raises, the caller
        leaves the queue. Raises TooManyError if there is no place to wait.
        """
        ticket = object()
        with self._changed:
            if len(self._line) > self._places:
                raise TooManyError
            self._line.append(ticket)
        try:
            while ahead := self._ahead_of(ticket):
                waiting(ahead)
            yield
        finally:
            with self._changed:
                self._line.remove(ticket)
                self._changed.notify_all()

    def wait_until_free(self, seconds: float) -> bool:
        """Whether nobody has a turn or waits for one, now or within that many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._line, seconds)

    def _ahead_of(self, ticket: object) -> int:
        with self._changed:
            if self._line[0] is not ticket:
                self._changed.wait(POLL_SECONDS)
            return self._line.index(ticket)
