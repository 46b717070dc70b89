"""Shared by the gpu_* benchmarks: the card's name, time by events on its stream, and what a profiler sees on it."""

import statistics
import sys
from collections.abc import Callable
from functools import cache
from typing import Any


def card_name(cupy: Any) -> str:
    """As the driver gives it."""
    return cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()


class Clock:
    """Times work on a card by events before and after it.

    The card first gets other work, and meanwhile the host launches everything. So the time measured is the card's own,
    without gaps in which it waits for Python. Caches are cold: other memory is written between two runs.
    """

    def __init__(self, cupy: Any, *, busy: int, cold: int) -> None:
        """`busy`: the size of the matrices multiplied meanwhile; `cold`: how many bytes are written."""
        self._cupy = cupy
        self._busy = cupy.ones((busy, busy), dtype="float32")
        self._product = cupy.empty_like(self._busy)
        self._cold = cupy.empty((cold,), dtype="uint8")

    def milliseconds(self, action: Callable[[], object], *, runs: int = 10) -> float:
        """The median of several runs, after two warm-up runs."""
        for _ in range(2):
            action()
        stream, marks = self._cupy.cuda.get_current_stream(), []
        self._cupy.matmul(self._busy, self._busy, out=self._product)
        for _ in range(runs):
            self._cold.fill(0)
            start = stream.record()
            action()
            marks.append((start, stream.record()))
        marks[-1][1].synchronize()
        return statistics.median(self._cupy.cuda.get_elapsed_time(start, end) for start, end in marks)


def launches(work: Callable[[], object], steps: int) -> dict[str, Any] | None:
    """What runs on the card during `work`, per step of its `steps`; None if no profiler can see it.

    "kernels" is their number, "busy_milliseconds" their total time, "longest" the ones that take most of it. The
    profiler listens to the driver, so it sees the kernels of every library in the process.
    """
    if not _profiler_sees_the_card():
        return None
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        work()
    return summary(profiler.key_averages(), steps)


@cache
def _profiler_sees_the_card() -> bool:
    """Says once if it does not."""
    try:
        import torch.cuda
    except ImportError:
        sees = False
    else:
        sees = torch.cuda.is_available()
    if not sees:
        print("kernels are not counted: that needs the profiler of a PyTorch with CUDA", file=sys.stderr)
    return sees


def summary(averages: Any, steps: int, *, shown: int = 25) -> dict[str, Any] | None:
    """From the profiler's averages by name."""
    kernels = [
        (entry.self_device_time_total / 1000 / steps, entry.count / steps, entry.key)
        for entry in averages
        if entry.device_type.name == "CUDA" and not entry.key.startswith(("Memcpy", "Memset"))
    ]
    if not kernels:
        return None
    return {
        "kernels": sum(count for _, count, _ in kernels),
        "busy_milliseconds": sum(milliseconds for milliseconds, _, _ in kernels),
        "longest": [
            {"name": name[:120], "count": count, "milliseconds": round(milliseconds, 4)}
            for milliseconds, count, name in sorted(kernels, reverse=True)[:shown]
        ],
    }
