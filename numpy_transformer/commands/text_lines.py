"""Lines of text in and out: files, pipes and terminals, as translate.py reads and writes them."""

import io
import itertools
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import BinaryIO

from numpy_transformer.errors import InputError

LONGEST_LINE = 1 << 24  # bytes; memory stays bounded even if the input never has a line end


def check_text(text: str, name: str = "TEXT") -> str:
    """Raises InputError for an argument that is not UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(f"{name} is not valid UTF-8: check the encoding of the terminal") from None
    return text


def argument_lines(texts: Sequence[str]) -> list[str]:
    """The lines of TEXT arguments, each read like a file: a line end at its end begins no further line.

    Raises InputError for an argument that is not UTF-8.
    """
    return [line for text in texts for line in check_text(text).removesuffix("\n").split("\n")]


def open_input(path: str | None, doing: str = "translating") -> AbstractContextManager[BinaryIO]:
    """The named file, decompressed if its name ends in .gz or .xz, or standard input; a person is told what is done."""
    if path is not None:
        from numpy_transformer.data.files import open_decompressed

        try:
            return open_decompressed(path)
        except OSError as error:
            raise InputError(f"--input {path}: cannot be read ({error.strerror}): name a readable text file") from None
    if sys.stdin is None:
        raise InputError("there is no standard input: give TEXT or --input")
    if sys.stdin.isatty():
        print(f"{doing} what you type, line by line; end with Ctrl-D", file=sys.stderr)
    return nullcontext(sys.stdin.buffer)


def size_of(file: BinaryIO) -> int | None:
    """Bytes of a regular file, None for a pipe, a device, or an archive, which does not say what it holds."""
    if not isinstance(file, io.BufferedReader):
        return None
    try:
        status = os.fstat(file.fileno())
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def open_output(path: str | None) -> AbstractContextManager[BinaryIO]:
    """The named file, which appears complete or not at all, or standard output."""
    if path is None:
        if sys.stdout is None:
            raise InputError("there is no standard output: give --output")
        return nullcontext(sys.stdout.buffer)
    from numpy_transformer.storage.atomic import atomic_write

    return atomic_write(path)


def read_lines(file: BinaryIO, name: str) -> Iterator[str]:
    """The lines of a UTF-8 file, without line ends. Raises InputError naming the line, or the damaged archive."""
    from numpy_transformer.data.files import UNREADABLE, unreadable

    for number in itertools.count(1):
        try:
            line = file.readline(LONGEST_LINE)
        except UNREADABLE as error:
            raise unreadable(name, error) from error
        if not line:
            return
        if len(line) == LONGEST_LINE:
            raise InputError(f"{name}: line {number} is {LONGEST_LINE:,} bytes long or longer: split it into sentences")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{name}: line {number} is not UTF-8 (byte {error.start + 1} of the line): convert the file to UTF-8"
            ) from None
        yield text.removesuffix("\n").removesuffix("\r")
