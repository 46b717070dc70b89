"""A disk on which one operation goes wrong: it stands in for the operations of bpe/files.py, which writes all files."""

import builtins
import errno
import io
import os
import signal
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from bpe import files

ERRORS = {"no space": errno.ENOSPC, "an error of the device": errno.EIO, "no permission": errno.EACCES}
DEATHS = ("killed before", "killed half way", "killed after")
KINDS = (*ERRORS, "a short write", *DEATHS)
OPERATIONS = ("open", "fsync", "replace", "rename", "unlink", "mkdir", "listdir", "close")


class Disk:
    """Counts the operations; number `broken` of them goes wrong in the way `kind`."""

    def __init__(self, broken: int | None, kind: str) -> None:
        self.count = 0
        self._broken, self._kind = broken, kind

    def install(self) -> None:
        """Let bpe/files.py use this disk, in this process."""
        names = {name: self.watched(getattr(os, name)) for name in OPERATIONS}
        files.os = SimpleNamespace(**{**vars(os), **names})
        files.open = self.open

    def open(self, path: str, mode: str) -> io.BufferedIOBase:
        """As the builtin, but what is written is watched."""
        raw = self.watched(lambda: Raw(self, path, mode.replace("b", "").replace("+", "") + "+"))()
        return io.BufferedRandom(raw) if "a" not in mode else io.BufferedWriter(raw)

    def watched(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        """The operation, which may be the one that goes wrong."""

        def call(*arguments: Any, **options: Any) -> Any:
            if not self.is_now():
                return operation(*arguments, **options)
            self.fail_before(*arguments[:1])
            result = operation(*arguments, **options)
            self.fail_after()
            return result

        return call

    def is_now(self) -> bool:
        """Whether this operation goes wrong."""
        self.count += 1
        return self.count - 1 == self._broken

    def fail_before(self, path: object = None) -> None:
        if self._kind in ERRORS:
            name = path if isinstance(path, str | os.PathLike) else None  # as the system: it names paths only
            raise OSError(ERRORS[self._kind], os.strerror(ERRORS[self._kind]), name)
        if self._kind == "killed before":
            os.kill(os.getpid(), signal.SIGKILL)

    def fail_after(self) -> None:
        if self._kind in DEATHS:
            os.kill(os.getpid(), signal.SIGKILL)

    def part_of(self, size: int) -> int:
        """How much of a write reaches the disk."""
        return size // 2 if self._kind in ("a short write", "killed half way", "no space") else size


class Raw(io.FileIO):
    """A file on that disk."""

    def __init__(self, disk: Disk, path: str, mode: str) -> None:
        super().__init__(path, mode)
        self._disk = disk

    def write(self, content: Any) -> int:
        if not self._disk.is_now():
            return super().write(content)
        part = max(1, self._disk.part_of(len(content)))
        if part < len(content):
            super().write(bytes(content)[:part])  # a full disk takes a part, then none
        self._disk.fail_before()
        written = part if part < len(content) else super().write(content)
        self._disk.fail_after()
        return written


assert builtins.open is io.open  # what `files.open` stands in for
