"""The signals that end a program: Ctrl-C, SIGTERM, and SIGHUP, which a terminal sends when it is closed.

Python ends at once on the last two, past every `finally`: files half written stay, and so do child processes. In
`ending_signals` all three raise an exception instead. A signal that was ignored when the program began (`nohup`,
`command &` in a script) stays ignored.
"""

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

ENDING_SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)  # Windows lacks some
)
SAME_SECONDS = 1.0  # signals that follow each other within this time are one request


class SignalInterrupt(KeyboardInterrupt):
    """The program is to end because of signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def status_of(interrupt: KeyboardInterrupt) -> int:
    """What a shell reports for a program ended by the signal: 130, 143 or 129."""
    return 128 + getattr(interrupt, "number", signal.SIGINT)


class Repetition:
    """Tells a signal that repeats the one before from another request."""

    def __init__(self) -> None:
        self._latest = -SAME_SECONDS

    def __call__(self) -> bool:
        """Whether another signal was received a moment ago: a closed terminal sends several, a held key many."""
        now, before = time.monotonic(), self._latest
        self._latest = now
        return now - before < SAME_SECONDS


def handle(receive: Callable[[int, FrameType | None], None]) -> dict[int, Any]:
    """Let `receive` handle the signals that are not ignored; returns who handled them before, for `restore`.

    Outside the main thread, where Python delivers no signals, it does nothing.
    """
    before: dict[int, Any] = {}
    with contextlib.suppress(ValueError):
        for number in ENDING_SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, receive)
    return before


def restore(handlers: Mapping[int, Any]) -> None:
    """Undo `handle`."""
    for number, handler in handlers.items():
        signal.signal(number, handler)


@contextlib.contextmanager
def ending_signals() -> Iterator[None]:
    """While this context is entered, the signals raise SignalInterrupt; after one has, they are ignored for good."""
    is_repeated = Repetition()

    def receive(number: int, frame: FrameType | None) -> None:
        if not is_repeated():
            raise SignalInterrupt(number)

    handlers = handle(receive)
    try:
        yield
    except KeyboardInterrupt:
        handlers = dict.fromkeys(handlers, signal.SIG_IGN)  # nothing may disturb the end
        raise
    finally:
        restore(handlers)
