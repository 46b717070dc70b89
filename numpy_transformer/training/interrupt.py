"""Ctrl-C while a model learns: first a polite request, then an order."""

from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

from bpe import signals


class StopRequest:
    """While this context is entered, the first ending signal sets `number`, and a later one interrupts.

    Those within a second of the first belong to it: a closed terminal sends several. `at_once` makes the first one
    interrupt, too: for work that has nothing to save. `announce` is called with a line for the user; it must not raise.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        self.number: int | None = None  # of the signal that asked for the end
        self.at_once = False
        self._announce = announce
        self._is_repeated = signals.Repetition()
        self._before: dict[int, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether the run is to end after its step."""
        return self.number is not None

    def __enter__(self) -> Self:
        self._before = signals.handle(self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        signals.restore(self._before)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        is_repeated = self._is_repeated()
        if self.at_once or (self.requested and not is_repeated):
            before = self._before[number]
            if callable(before):
                before(number, frame)
            else:  # the system's default would end the process past every `finally`
                raise signals.SignalInterrupt(number)
        else:
            self._request(number)

    def ask(self, number: int) -> None:
        """Another process has received the signal `number`; if this one does, too, it is the same request."""
        self._is_repeated()
        self._request(number)

    def _request(self, number: int) -> None:
        if not self.requested:
            self.number = number
            self._announce("stopping after this step and saving (once more to end at once)")
