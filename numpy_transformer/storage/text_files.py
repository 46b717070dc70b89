"""Small text files: JSON that is read with a clear complaint, text that is replaced whole or grows at its end."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bpe import files
from numpy_transformer.errors import InputError
from numpy_transformer.storage.atomic import atomic_write

LONGEST_FILE = 1 << 26  # bytes; the vocabularies of imported models have a few million


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises InputError naming the file."""
    try:
        values = json.loads(files.read_at_most(path, LONGEST_FILE).decode("utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); restore it from a copy") from None
    except RecursionError:
        raise InputError(f"{path}: not JSON of this program (nested too deeply); restore it from a copy") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: not a JSON object")
    return values


def write_text(path: Path, text: str) -> None:
    """Replace a text file in one piece."""
    with atomic_write(path) as file:
        file.write(text.encode("utf-8"))


def append(path: Path, text: str) -> None:
    """Write `text` at the end of a run's file. Raises InputError if the disk is full."""
    with _naming(path):
        files.append(path, text.encode("utf-8"))


def synchronize(path: Path) -> None:
    """Force what was appended to the disk. Raises InputError if the disk is full."""
    with _naming(path):
        files.synchronize(path)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}): check the space left, then go on with --resume"
        ) from None
