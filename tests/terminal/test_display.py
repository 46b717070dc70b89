"""What the trainer prints: markup in a sentence is text, progress does not flood a log."""

import errno
import io
import os

import pytest
from rich.console import Console

from numpy_transformer.terminal import display
from numpy_transformer.terminal.display import PlainDisplay, TerminalDisplay, make_display


def test_plain_lines_are_rationed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(display.time, "monotonic", lambda: now)
    with PlainDisplay() as plain:
        plain.progress(0.1, "first")
        plain.progress(0.2, "too soon")
        plain.message("always")
        now += display.SECONDS_BETWEEN_LINES
        plain.progress(0.3, "later")
    assert capsys.readouterr().out == "first\nalways\nlater\n"


def test_a_terminal_shows_brackets_as_they_are():
    screen = io.StringIO()
    with TerminalDisplay(Console(file=screen, force_terminal=True, width=80)) as terminal:
        terminal.message("[red]Haus[/red] -> :smile: [x]")
        terminal.progress(0.5, "loss [1.5]")
    assert "[red]Haus[/red] -> :smile: [x]" in screen.getvalue()
    assert "loss [1.5]" in screen.getvalue()


def test_a_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str]):
    assert isinstance(make_display(), PlainDisplay)


class Gone(io.StringIO):
    """A pipe that nobody reads, or a terminal that was closed."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


class Busy(io.StringIO):
    """What a signal's handler finds while the program is writing a message."""

    def write(self, text: str) -> int:
        raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stdout>'>")


@pytest.mark.parametrize("file", [Gone, Busy])
@pytest.mark.parametrize("kind", ["plain", "terminal"])
def test_what_cannot_be_shown_ends_nothing(file, kind):
    screen = file()
    console = Console(file=screen, force_terminal=True, width=80)
    with PlainDisplay(screen) if kind == "plain" else TerminalDisplay(console) as shown:
        shown.message("a line")
        shown.progress(0.5, "half")
