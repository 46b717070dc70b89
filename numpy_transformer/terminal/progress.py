"""The progress of a translation, on standard error, once it takes longer than a few seconds."""

import sys
import time
from types import TracebackType
from typing import Self

from numpy_transformer.terminal.display import Display, PlainDisplay, TerminalDisplay
from numpy_transformer.terminal.wording import clock

SILENT_SECONDS = 5.0


class TranslationProgress:
    """Lines a second, and the time left where the size of the input is known.

    It shows nothing in the first seconds. Then a terminal gets a bar, unless the translations themselves appear on it;
    a log file gets a line every ten seconds, and one at the end.
    """

    def __init__(self, total_bytes: int | None) -> None:
        self._total_bytes = total_bytes
        self._started = time.monotonic()
        self._lines = self._bytes = 0
        self._display: Display | None = None
        self._wanted = sys.stderr is not None and not (sys.stderr.isatty() and sys.stdout.isatty())

    def add(self, source: str) -> None:
        """A line was translated."""
        self._lines += 1
        self._bytes += len(source.encode("utf-8", "replace")) + 1
        seconds = time.monotonic() - self._started
        if self._wanted and seconds >= SILENT_SECONDS:
            if self._display is None:
                self._display = _display().__enter__()
            self._display.progress(*self._state(seconds))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._display is not None:
            seconds = time.monotonic() - self._started
            if kind is None:
                self._display.message(
                    f"{self._lines:,} line(s) in {clock(seconds)}, {self._lines / seconds:,.1f} per second"
                )
            self._display.__exit__(kind, error, traceback)

    def _state(self, seconds: float) -> tuple[float, str]:
        text = f"{self._lines:,} line(s), {self._lines / seconds:,.1f} per second"
        if not self._total_bytes:
            return 0.0, f"{text}, {clock(seconds)} so far"
        fraction = min(1.0, self._bytes / self._total_bytes)
        return fraction, f"{text}, {clock(seconds * (1 / fraction - 1))} left"


def _display() -> Display:
    if not sys.stderr.isatty():
        return PlainDisplay(sys.stderr)
    from rich.console import Console

    return TerminalDisplay(Console(stderr=True))
