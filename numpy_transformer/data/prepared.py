"""What was prepared of a text, kept in the cache folder, so that it is prepared once and then opened in a moment.

    prepared/files/0123abcd....json   the SHA-256 of a file, as long as its size, times and inode stay the same
    prepared/0123abcd.../NAME/        an entry: something made from the texts whose digests make the folder's name

An entry appears whole or not at all; a record in it has a digest of its own, and names those of the other files. What
is damaged is made again. While one process makes an entry, others wait for it (storage/locks.py). A killed process
leaves its unfinished folder, which the next one removes.

A file is read again only if its size, its inode, or one of its times has changed. The time of the last change of the
inode (ctime) cannot be set by programs, so a changed text with its old size and date is noticed, too. As in Git, the
times of a file that has just been written are not trusted: it could change once more within their resolution.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from bpe.files import make_folder, remove_folder, remove_leftovers
from numpy_transformer.data.files import UNREADABLE, unreadable
from numpy_transformer.data.multi30k import CACHE_VARIABLE, cache_folder
from numpy_transformer.errors import InputError
from numpy_transformer.storage.atomic import UnwritableError, atomic_folder
from numpy_transformer.storage.locks import locked_folder
from numpy_transformer.storage.text_files import read_json, write_text

Entry = TypeVar("Entry")
Say = Callable[[str], None]

PAIRS = "pairs"  # the entry that says which text it is
RESOLUTION = 2.0  # seconds: the coarsest times of a file system
_FILES = "files"
FORMAT = 1  # of all entries; a change makes the older ones unknown


class DamagedEntryError(ValueError):
    """An entry is missing or is not as it was written."""


def prepared_folder() -> Path:
    """Where everything stands that was prepared."""
    return cache_folder() / "prepared"


def folder_bytes(folder: Path) -> int:
    """The size of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def prepared_texts() -> list[Path]:
    """The folders of all texts that were prepared."""
    return sorted(path for path in prepared_folder().glob("[!.]*") if path.is_dir() and path.name != _FILES)


def remove_prepared(folder: Path) -> None:
    """Remove what was prepared of a text. Runs that use it go on. Raises InputError while it is being prepared."""

    def is_busy() -> None:
        raise InputError(f"{folder}: another process is preparing this text: wait for its end")

    with locked_folder(folder, is_busy) as is_there:
        if is_there:
            try:
                remove_folder(folder)
            except OSError as error:
                raise InputError(f"{folder}: cannot be removed ({error.strerror})") from None


def remove_remains() -> None:
    """Remove what is left beside the texts: the digests of files, and what a killed process was removing."""
    folder = prepared_folder() / _FILES
    if folder.is_dir():
        remove_folder(folder)
    remove_leftovers(prepared_folder())


class PreparedEntries:
    """The entries of one text, whose contents and treatment `identity` describes: equal ones share a folder."""

    def __init__(self, identity: Mapping[str, Any], say: Say) -> None:
        self.folder = prepared_folder() / digest_of({**identity, "format": FORMAT})[:32]
        self._say = say

    def get(self, name: str, read: Callable[[Path], Entry], make: Callable[[Path], None]) -> Entry:
        """The entry `name` as `read` returns it; if it is missing or damaged, `make` writes it into a folder first.

        `read` raises DamagedEntryError if it is not whole. Raises InputError if it cannot be written.
        """
        path = self.folder / name
        try:
            return read(path)
        except DamagedEntryError:
            pass
        try:
            with _cache_named(), ExitStack() as stack:
                while not stack.enter_context(locked_folder(self.folder, self._is_busy)):
                    make_folder(self.folder)
                try:
                    return read(path)  # made by another process in the meantime
                except DamagedEntryError:
                    pass
                remove_leftovers(self.folder)
                if path.exists():
                    self._say(f"{path}: is damaged, so it is prepared again")
                    remove_folder(path)
                with atomic_folder(path) as unfinished:
                    make(unfinished)
                return read(path)
        except DamagedEntryError as error:
            raise InputError(f"{path}: is not as it was written a moment ago ({error}): check the disk") from None
        except UnwritableError as error:
            try:
                return read(path)  # where there are no locks, another process may have been faster
            except DamagedEntryError:
                raise error from None

    def say_size(self) -> None:
        """Tell the user what the cache folder holds of this text, and how to be rid of it."""
        self._say(
            f"prepared text: {megabytes(folder_bytes(self.folder))} in {self.folder} "
            "(python -m numpy_transformer.cache lists and removes such)"
        )

    def _is_busy(self) -> None:
        self._say(f"another process is preparing this text in {self.folder}: waiting for it")


@contextmanager
def _cache_named() -> Iterator[None]:
    """Let what cannot be written name the variable that gives it another place."""
    try:
        yield
    except (UnwritableError, OSError) as error:
        said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
        raise UnwritableError(f"{said} ({CACHE_VARIABLE} names another folder for prepared texts)") from error


def megabytes(count: int) -> str:
    """A size for the user.

    >>> megabytes(143_200_000)
    '143.2 MB'
    """
    return f"{count / 1e6:,.1f} MB"


def digest_of(values: Mapping[str, Any]) -> str:
    """A SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def write_record(path: Path, values: Mapping[str, Any]) -> None:
    """Write plain values with their digest."""
    write_text(path, json.dumps({**values, "sha256 of the rest": digest_of(values)}))


def read_record(path: Path) -> dict[str, Any]:
    """The values that `write_record` wrote. Raises DamagedEntryError for anything else."""
    try:
        values = read_json(path)
    except InputError as error:
        raise DamagedEntryError(str(error)) from None
    if values.pop("sha256 of the rest", None) != digest_of(values):
        raise DamagedEntryError(f"{path}: its digest differs")
    return values


def file_digest(path: Path) -> str:
    """The SHA-256 of a file as it stands on the disk; read only if it may have changed since it was last asked for.

    Raises InputError if it cannot be read, or the cache folder cannot be written to.
    """
    record_file = prepared_folder() / _FILES / f"{digest_of({'path': os.path.realpath(path)})[:32]}.json"
    state = file_state(path)
    try:
        record = read_record(record_file)
        if record.get("state") == state:
            return str(record["sha256"])
    except DamagedEntryError:
        pass
    started = time.time()
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error
    check_unchanged(path, state)
    if max(state["modified"], state["changed"]) / 1e9 < started - RESOLUTION:
        values = {"path": os.path.realpath(path), "state": state, "sha256": digest}
        with _cache_named(), ExitStack() as stack:
            while not stack.enter_context(locked_folder(record_file.parent, lambda: None)):
                make_folder(record_file.parent)
            remove_leftovers(record_file.parent)
            write_record(record_file, values)
    return digest


def file_state(path: Path) -> dict[str, int]:
    """What changes whenever a file does. Raises InputError if there is no such file."""
    try:
        status = os.stat(path)
        if os.path.isdir(path):
            raise IsADirectoryError
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    return {
        "size": status.st_size,
        "modified": status.st_mtime_ns,
        "changed": status.st_ctime_ns,
        "inode": status.st_ino,
        "device": status.st_dev,
    }


def check_unchanged(path: Path, state: Mapping[str, int]) -> None:
    """Raises InputError if a file is no longer in this state."""
    if file_state(path) != state:
        raise InputError(f"{path}: was changed while it was read: begin again when it is complete")
