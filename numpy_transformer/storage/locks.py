"""A folder that one process at a time works in."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def locked_folder(folder: Path, is_busy: Callable[[], None]) -> Iterator[bool]:
    """Hold the lock of a folder, which ends with the process at the latest; False if there is no such folder.

    There is none, either, if another process has removed it between its opening here and the lock. If another process
    holds the lock, `is_busy` is called: it may raise; else the lock is waited for. Where a system or a file system has
    no locks, nothing is held.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        yield folder.is_dir()
        return
    descriptor = None
    with suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY)
    if descriptor is None:
        yield False
        return
    try:
        with suppress(OSError):  # a file system without locks
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                is_busy()
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            is_there = os.path.samestat(os.fstat(descriptor), os.stat(folder))
        except FileNotFoundError:
            is_there = False
        yield is_there
    finally:
        os.close(descriptor)
