"""The one way in which this project writes a file: it appears whole, or not at all, whatever interrupts the program.

The bytes go to a temporary file beside the target, are forced to the disk, and the file is renamed; then the renaming
itself is forced to the disk. A process that is killed leaves at most its temporary file, .NAME.0123abcd.tmp, which
`remove_leftovers` knows. Only a log grows at its end (`append`); `synchronize` forces it to the disk.

Everything here raises OSError; whoever knows what the file is for says so to the user.
"""

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Iterator
from os import PathLike
from typing import BinaryIO

_STREAM = re.compile(r"/dev/(std\w+|fd/.*)|/proc/.*")  # the open file, perhaps a log that already holds much
_TEMPORARY_NAME = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


@contextlib.contextmanager
def whole_file(path: str | PathLike[str]) -> Iterator[BinaryIO]:
    """Open `path` for writing bytes; it appears, or replaces an older one, only if the block succeeds.

    After any exception the temporary file is removed, and an older `path` stays as it was. The file also supports
    reading and seeking. The folder must exist.
    """
    # A symbolic link remains one: the file it points to is replaced.
    target = os.path.realpath(path)
    if os.path.exists(target) and (not os.path.isfile(target) or _STREAM.fullmatch(os.path.abspath(path))):
        raise OSError(errno.EISDIR, "Is a directory or a device")
    temporary = _temporary_name(target)
    try:
        with open(temporary, "x+b") as file:  # unlike tempfile's, its permissions follow the umask
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _synchronize_folder(os.path.dirname(target))


@contextlib.contextmanager
def whole_folder(path: str | PathLike[str]) -> Iterator[str]:
    """Give an empty folder to write in; it becomes `path`, which must not exist, only if the block succeeds.

    All files in it are forced to the disk first. After any exception it is removed with its content.
    """
    target = os.path.abspath(path)
    temporary = _temporary_name(target)
    make_folder(temporary)
    try:
        yield temporary
        for folder, _, names in os.walk(temporary, topdown=False):
            for name in names:
                synchronize(os.path.join(folder, name))
            _synchronize_folder(folder)
        os.rename(temporary, target)
    except BaseException:
        _remove_tree(temporary)
        raise
    _synchronize_folder(os.path.dirname(target))


def make_folder(path: str | PathLike[str]) -> None:
    """Make a folder and those above it, as far as they are missing, for good: a power cut does not undo it."""
    path = os.path.abspath(path)
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    if parent != path:
        make_folder(parent)
    with contextlib.suppress(FileExistsError):  # made by another process in the meantime
        os.mkdir(path)
    if not os.path.isdir(path):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    _synchronize_folder(parent)


def append(path: str | PathLike[str], content: bytes) -> None:
    """Write at the end of a log. It may be cut by a power failure until it is synchronized."""
    with open(path, "ab") as file:
        file.write(content)


def synchronize(path: str | PathLike[str]) -> None:
    """Force a file that was written to at its end to the disk."""
    with open(path, "r+b") as file:
        os.fsync(file.fileno())


def read_at_most(path: str | PathLike[str], limit: int) -> bytes:
    """The content of a file that is kept in memory. Raises OSError beyond `limit` bytes: a device can be endless."""
    with open(path, "rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"longer than {limit:,} bytes")
    return content


def remove_leftovers(folder: str | PathLike[str]) -> None:
    """Remove unfinished files and folders that a killed process left; nobody else may be writing there."""
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(folder):
            if _TEMPORARY_NAME.fullmatch(name):
                path = os.path.join(folder, name)
                if os.path.isdir(path):
                    _remove_tree(path)
                    continue
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)


def remove_folder(path: str | PathLike[str]) -> None:
    """Remove a folder with its content: it is gone at once, or, if a process is killed meanwhile, a leftover."""
    temporary = _temporary_name(os.path.abspath(path))
    os.rename(path, temporary)
    _remove_tree(temporary)


def _remove_tree(path: str) -> None:
    import shutil  # rarely needed

    shutil.rmtree(path, ignore_errors=True)


def _temporary_name(target: str) -> str:
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name}.{secrets.token_hex(4)}.tmp")


def _synchronize_folder(folder: str) -> None:
    """Force a folder's list of names to the disk, if the system can (Windows cannot open a folder)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
