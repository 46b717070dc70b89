"""What the user sees during training: a progress bar on a terminal, plain lines anywhere else.

No message is worth a step of a run: what cannot be shown, because the reader of the pipe went away, the terminal was
closed or the log's disk is full, is not shown.
"""

import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

if TYPE_CHECKING:
    from rich.console import Console

SECONDS_BETWEEN_LINES = 10.0
# OSError: nobody reads. RuntimeError: a signal came while another message was being written ("reentrant call").
NOT_SHOWN = (OSError, RuntimeError)


class Display(Protocol):
    """Where the trainer writes its messages."""

    def message(self, text: str) -> None:
        """Show a line that stays."""

    def progress(self, fraction: float, text: str) -> None:
        """Show how much of the run is done (0 to 1), and a short line that the next one may replace."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


class PlainDisplay:
    """Lines for a log file or a pipe; progress only every ten seconds."""

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = file  # None: whatever standard output is at the time
        self._next = 0.0

    def message(self, text: str) -> None:
        with suppress(*NOT_SHOWN):
            print(text, flush=True, file=self._file)

    def progress(self, fraction: float, text: str) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + SECONDS_BETWEEN_LINES
            self.message(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass


class SilentDisplay(PlainDisplay):
    """Shows nothing."""

    def message(self, text: str) -> None:
        pass


class TerminalDisplay:
    """A rich progress bar with the latest figures, below the lines that stay."""

    def __init__(self, console: "Console | None" = None) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        figures = TextColumn("{task.description}", markup=False)
        self._bar = Progress(BarColumn(bar_width=24), TaskProgressColumn(), figures, transient=True, console=console)
        self._task = self._bar.add_task("", total=1.0)

    def message(self, text: str) -> None:
        # Sentences are shown as they are: brackets are not markup, ":smile:" is not an emoji.
        with suppress(*NOT_SHOWN):
            self._bar.console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def progress(self, fraction: float, text: str) -> None:
        with suppress(*NOT_SHOWN):
            self._bar.update(self._task, completed=fraction, description=text)

    def __enter__(self) -> Self:
        with suppress(*NOT_SHOWN):
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(*NOT_SHOWN):
            self._bar.stop()


def make_display() -> Display:
    """The display that suits standard output."""
    return TerminalDisplay() if sys.stdout is not None and sys.stdout.isatty() else PlainDisplay()
