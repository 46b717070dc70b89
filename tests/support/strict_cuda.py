"""`cuda` of the stand-in for CuPy (strict_gpu.py): one card, its stream, events, memory pool and properties.

The pretended card finishes at once, but reports this only to a host that has waited for it. Events use the host's
clock.
"""

import time
from types import SimpleNamespace
from typing import Any

import strict_gpu

runtime = SimpleNamespace(
    CUDARuntimeError=RuntimeError,
    getDeviceCount=lambda: 1,
    getDeviceProperties=lambda device: {"name": b"a stand-in for a card", "multiProcessorCount": 1},
    runtimeGetVersion=lambda: 0,
    driverGetVersion=lambda: 0,
)


class Device:
    """The current card: a Hopper."""

    id = 0
    compute_capability = "90"

    def synchronize(self) -> None:
        strict_gpu.wait()


class Event:
    """A moment on the stream."""

    def __init__(self) -> None:
        self.seconds = time.perf_counter()

    def synchronize(self) -> None:
        strict_gpu.wait()


class Stream:
    """The current stream, busy from when it is asked for until the host waits."""

    def __init__(self) -> None:
        self._waits = strict_gpu.waits()

    @property
    def done(self) -> bool:
        return strict_gpu.waits() > self._waits

    def record(self) -> Event:
        return Event()

    def synchronize(self) -> None:
        strict_gpu.wait()


def get_current_stream() -> Stream:
    return Stream()


def get_elapsed_time(start_event: Event, end_event: Event) -> float:
    """In milliseconds."""
    return 1000 * (end_event.seconds - start_event.seconds)


class _Pool:
    """It has taken nothing from the card."""

    def total_bytes(self) -> int:
        return 0

    def free_all_blocks(self, stream: Any = None) -> None:
        pass


pool = _Pool()
