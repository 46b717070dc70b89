"""The memory of the machine: how much is free; and reusing freed blocks in the next step."""

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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


class _ControlGroups(NamedTuple):
    """How a version of Linux's control groups tells the memory of a group."""

    place: str  # where they are mounted
    controller: str  # what the line of a process's group in /proc/self/cgroup is marked with
    limit: str
    usage: str  # page cache included
    cache: tuple[str, ...]  # the lines of memory.stat that count what the kernel drops when programs need the memory


_VERSIONS = (
    _ControlGroups(
        "sys/fs/cgroup", "", "memory.max", "memory.current", ("inactive_file", "active_file", "slab_reclaimable")
    ),
    _ControlGroups(
        "sys/fs/cgroup/memory",
        "memory",
        "memory.limit_in_bytes",
        "memory.usage_in_bytes",
        ("total_inactive_file", "total_active_file"),
    ),
)


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that programs may still allocate without swapping or being killed; None where the system does not say.

    Linux: the least of what is free and what the container, or any control group around this process, may still take.
    Files that were read stay in the page cache, which counts as used but gives way: it is available. `root` is where
    /proc and /sys are.
    """
    limits = []
    meminfo = root / "proc/meminfo"
    if meminfo.exists():
        lines = meminfo.read_text().splitlines()
        limits += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    for version in _VERSIONS:
        for group in _own_groups(root, version):
            limit, usage = _number(group / version.limit), _number(group / version.usage)
            if limit is not None and usage is not None:
                limits.append(max(0, limit - max(0, usage - _cached(group, version))))
    return min(limits, default=None)


def _own_groups(root: Path, version: _ControlGroups) -> Iterator[Path]:
    """The folders of this process's control group and of those around it, as far as they can be seen from here.

    A container sees its own group as the outermost one, and its path in /proc/self/cgroup may lie outside.
    """
    top = root / version.place
    own = root / "proc/self/cgroup"
    entries = [line.split(":", 2) for line in own.read_text().splitlines()] if own.exists() else []
    for _, controllers, path in entries:
        if version.controller in controllers.split(","):
            inside = top / path.lstrip("/")
            yield from (group for group in (inside, *inside.parents) if top in group.parents)
    yield top


def _number(file: Path) -> int | None:
    """The number in a file; None for "max", and where there is no such file."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _cached(group: Path, version: _ControlGroups) -> int:
    """Bytes of the group's usage that the kernel would give back."""
    try:
        lines = [line.split() for line in (group / "memory.stat").read_text().splitlines()]
    except OSError:
        return 0
    return sum(int(count) for name, count in lines if name in version.cache)
