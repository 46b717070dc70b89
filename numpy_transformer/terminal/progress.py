"""The progress of a translation, on standard error, once it takes longer than a few seconds."""

import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from numpy_transformer.terminal.display import Display, PlainDisplay, TerminalDisplay
from numpy_transformer.terminal.wording import clock

SILENT_SECONDS = 5.0


class TranslationProgress:
    """Lines a second, and the time left where the size of the input is known.

    It shows nothing in the first seconds. Then a terminal gets a bar, unless the translations themselves appear on it
    (`beside_translations`); a log file gets a line every ten seconds, and one at the end.

    Sentences are translated many at a time, and those under way are work done, too: without them, the first sentences
    to be finished would seem to have taken all the time. On average they are half translated, and as long as the
    finished ones. So with n lines finished and k under way, n + k / 2 lines are done. While k > n that says too little,
    and no time left is told.
    """

    def __init__(self, total_bytes: int | None, *, beside_translations: bool = False) -> None:
        self._total_bytes = total_bytes
        self._started = time.monotonic()
        self._lines = self._bytes = 0
        self._display: Display | None = None
        self._wanted = sys.stderr is not None and not (sys.stderr.isatty() and beside_translations)

    def add(self, sources: Iterable[str], under_way: int = 0) -> None:
        """These lines are translated, and so many sentences are under way."""
        for source in sources:
            self._lines += 1
            self._bytes += len(source.encode("utf-8", "replace")) + 1
        seconds = time.monotonic() - self._started
        if self._wanted and seconds >= SILENT_SECONDS and self._lines:
            if self._display is None:
                self._display = _display().__enter__()
            self._display.progress(*self._state(seconds, under_way))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._display is not None:
            seconds = time.monotonic() - self._started
            if kind is None:
                self._display.message(f"{self._count()} in {clock(seconds)}, {self._lines / seconds:,.1f} per second")
            self._display.__exit__(kind, error, traceback)

    def _state(self, seconds: float, under_way: int) -> tuple[float, str]:
        text = f"{self._count()}, {self._lines / seconds:,.1f} per second"
        fraction = min(1.0, self._bytes / self._total_bytes) if self._total_bytes else 0.0
        if not self._total_bytes or under_way > self._lines:
            return fraction, f"{text}, {clock(seconds)} so far"
        done = min(1.0, fraction * (1 + under_way / (2 * self._lines)))
        return fraction, f"{text}, {clock(seconds * (1 / done - 1))} left"

    def _count(self) -> str:
        return f"{self._lines:,} {'line' if self._lines == 1 else 'lines'}"


def _display() -> Display:
    if not sys.stderr.isatty():
        return PlainDisplay(sys.stderr)
    from rich.console import Console

    return TerminalDisplay(Console(stderr=True))
