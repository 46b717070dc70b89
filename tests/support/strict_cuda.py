"""`cuda` of the stand-in for CuPy (strict_gpu.py): one card, its stream, events, memory pool and properties.

The pretended card finishes at once, but reports this only to a host that has waited for it. Events use the host's
clock.
"""

import time
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import strict_cublas
import strict_gpu

get_cublas_handle = strict_cublas.get_cublas_handle
runtime = SimpleNamespace(
    CUDARuntimeError=RuntimeError,
    getDeviceCount=lambda: 1,
    getDeviceProperties=lambda device: {"name": b"a stand-in for a card", "multiProcessorCount": 1},
    runtimeGetVersion=lambda: 0,
    driverGetVersion=lambda: 0,
    CUDA_R_32F=strict_cublas.CUDA_R_32F,
    CUDA_R_64F=strict_cublas.CUDA_R_64F,
)


class Device:
    """The current card: a Hopper."""

    id = 0
    compute_capability = "90"
    attributes = {"MaxSharedMemoryPerBlockOptin": 227 * 1024}  # noqa: RUF012

    def __init__(self, device: int = 0) -> None:
        if device:
            raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def use(self) -> None:
        """There is only one."""

    def synchronize(self) -> None:
        strict_gpu.wait()


class Event:
    """A moment on a stream."""

    def __init__(self) -> None:
        self.seconds = time.perf_counter()

    def synchronize(self) -> None:
        strict_gpu.wait()


# What streams were given, in order, for tests to read: (number of the stream, what, the event or the memory).
work: list[tuple[int, str, Any]] = []
_current = [0]  # the number of the current stream; 0: the default one
_made = 0


class Stream:
    """A stream, busy from when it is asked for until the host waits."""

    def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False) -> None:
        global _made
        _made += 1
        self.ptr = _made
        self._waits = strict_gpu.waits()

    def __enter__(self) -> "Stream":
        _current.append(self.ptr)
        return self

    def __exit__(self, *error: Any) -> None:
        _current.pop()

    @property
    def done(self) -> bool:
        return strict_gpu.waits() > self._waits

    def record(self) -> Event:
        event = Event()
        work.append((self.ptr, "record", event))
        return event

    def wait_event(self, event: Event) -> None:
        work.append((self.ptr, "wait", event))

    def synchronize(self) -> None:
        strict_gpu.wait()


def get_current_stream() -> Stream:
    stream = Stream.__new__(Stream)
    stream.ptr, stream._waits = _current[-1], strict_gpu.waits()
    return stream


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


def __getattr__(name: str) -> Any:
    if name == "cublas":
        return strict_cublas
    if name == "nccl":
        return import_module("strict_nccl")
    raise AttributeError(name)
