"""Writing as bpe/files.py does it, for the files of this package: errors name the file and the remedy."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bpe.files import make_folder, whole_file, whole_folder
from numpy_transformer.errors import InputError


class UnwritableError(InputError):
    """A file or folder cannot be written: no space, no permission, or the name of something else."""


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """Open `path` for writing bytes; it appears, or replaces an older one, only if the block succeeds.

    Its folder is made if necessary. Raises UnwritableError, naming the file, if it cannot be written.
    """
    with _naming(path):
        make_folder(os.path.dirname(os.path.realpath(path)))
        with whole_file(path) as file:
            yield file


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Give an empty folder to write in; it becomes `path`, which must not exist, only if the block succeeds.

    Raises UnwritableError, naming the folder, if it cannot be written.
    """
    with _naming(path), whole_folder(path) as folder:
        yield Path(folder)


@contextmanager
def _naming(path: str | Path) -> Iterator[None]:
    """Turn the system's errors into UnwritableError with the name of what was to be written."""
    try:
        yield
    except BrokenPipeError:  # of standard output: no file is a pipe
        raise
    except OSError as error:
        if error.errno == errno.EISDIR:
            raise UnwritableError(f"{path}: is a folder or a device: give the name of a file to write") from error
        raise UnwritableError(
            f"{path}: cannot be written ({error.strerror or error}): "
            "check the folder's permissions and the space left, or give another place"
        ) from error
