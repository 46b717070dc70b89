"""Keeping freed memory for the next step, instead of giving it back to the system and asking for it again."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h of glibc


def keep_freed_memory() -> bool:
    """Make malloc reuse large blocks; True if it could be told so (glibc on Linux).

    A training step allocates the same large arrays again and again. By default glibc maps each of them anew and unmaps
    it when it is freed, so the system must clear and enter every page of every array in every step: up to a fifth of a
    small model's time. One arena, because the heaps of further ones are too small for large arrays.
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
