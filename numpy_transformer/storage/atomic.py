"""Write files so that an existing file is always complete, whatever interrupts the program."""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from numpy_transformer.errors import InputError

_STREAM = re.compile(r"/dev/(std\w+|fd/.*)|/proc/.*")  # the open file, perhaps a log that already holds much
_TEMPORARY_NAME = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open `path` for writing bytes; it appears, or replaces an older one, only if the block succeeds.

    The bytes go to a temporary file in the same folder, which is created if necessary. At the end of the block they
    are forced to the disk and the temporary file is renamed. After any exception it is removed, and an older `path`
    stays as it was. The file also supports reading and seeking.

    Raises InputError, naming the file, if the folder or the file cannot be written.
    """
    # A symbolic link remains one: the file it points to is replaced.
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        if target.exists() and (not target.is_file() or _STREAM.fullmatch(os.path.abspath(path))):
            raise InputError(f"{path}: is a folder or a device: give the name of a file to write")
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(temporary, "x+b") as file:  # unlike tempfile's, its permissions follow the umask
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _synchronize_folder(target.parent)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}): "
            "check the folder's permissions and the space left, or give another place"
        ) from error


def remove_leftovers(folder: Path) -> None:
    """Remove unfinished files that a killed process left; nobody else may be writing there."""
    for path in folder.glob(".*.tmp"):
        if _TEMPORARY_NAME.fullmatch(path.name):
            path.unlink(missing_ok=True)


def _synchronize_folder(folder: Path) -> None:
    """Force the renaming itself to the disk, if the system can (Windows cannot open a folder)."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
