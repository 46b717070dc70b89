"""Ctrl-C while a model learns: first a polite request, then an order."""

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self


class StopRequest:
    """While this context is entered, the first SIGINT or SIGTERM sets `requested` and the second one interrupts.

    `at_once` makes the first one interrupt, too: for work that has nothing to save. `announce` is called with a line
    for the user. Outside the main thread, where Python delivers no signals, it does nothing.
    """

    def __init__(self, announce: Callable[[str], None]) -> None:
        self.requested = False
        self.at_once = False
        self._announce = announce
        self._previous: dict[int, object] = {}

    def __enter__(self) -> Self:
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._receive)
        except ValueError:
            self._previous.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested or self.at_once:
            raise KeyboardInterrupt
        self.requested = True
        self._announce("stopping after this step and saving (once more to end at once)")
