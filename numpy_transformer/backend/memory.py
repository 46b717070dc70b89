"""The memory of the machine: how much is free; and reusing freed blocks in the next step."""

import ctypes
import sys
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc


def keep_freed_memory() -> bool:
    """Make malloc reuse large blocks; True if it can (glibc on Linux).

    A training step allocates the same large arrays again and again. By default glibc maps each of them anew and unmaps
    it when it is freed, so the system must clear and map every page of every array in every step: up to a tenth of a
    small model's time, less where huge pages are available (docs/performance.md). One arena, because the heaps of other
    arenas are too small for large arrays.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = [
        mallopt(_M_MMAP_THRESHOLD, 1 << 30) or mallopt(_M_MMAP_THRESHOLD, 1 << 25),  # older versions take no more
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1),
        mallopt(_M_ARENA_MAX, 1),
    ]
    return all(settings)


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that programs may still allocate without swapping or being killed; None where the system does not say.

    Linux: the least of what is free and what a container may take. `root` is where /proc and /sys are.
    """
    limits = []
    meminfo = root / "proc/meminfo"
    if meminfo.exists():
        lines = meminfo.read_text().splitlines()
        limits += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    group = root / "sys/fs/cgroup"  # the second version of control groups
    if (group / "memory.max").exists() and (limit := (group / "memory.max").read_text().strip()) != "max":
        limits.append(max(0, int(limit) - int((group / "memory.current").read_text())))
    return min(limits, default=None)
