"""Text files: plain, .gz or .xz, one sentence per line, in UTF-8.

Lines end at b"\\n" and nowhere else. str.splitlines also splits at U+2028, U+0085 and others, which occur inside
sentences of real corpora, and one such split misaligns every line after it. A carriage return before the line end
and a byte order mark at the beginning of the file are removed.
"""

import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bpe.compressed import COMPRESSED_SUFFIXES, open_decompressed
from numpy_transformer.data.clean_text import clean_text
from numpy_transformer.errors import InputError

UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError)  # what open_decompressed, or reading then, may raise
LINE_LIMIT = 1 << 20  # bytes; a longer "line" means that the file is not text with one sentence per line

NO_SENTENCES = "is empty: give a file with one sentence per line"
NO_PAIRS = "is empty: give a file with source TAB target on each line"

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class ParallelText:
    """Sentences and their translations: `targets[i]` translates `sources[i]`."""

    sources: list[str]
    targets: list[str]

    def __post_init__(self) -> None:
        if len(self.sources) != len(self.targets):
            raise ValueError(f"{len(self.sources)} sources for {len(self.targets)} targets")

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def characters(self) -> tuple[int, int]:
        """How many characters the sources have, and the targets."""
        return sum(map(len, self.sources)), sum(map(len, self.targets))


@contextmanager
def open_bytes(path: str | Path) -> Iterator[BinaryIO]:
    """Open a file for reading bytes, decompressed if its name ends in .gz or .xz.

    Raises InputError, naming the file and the remedy, if it is missing, a folder, unreadable, or not a complete
    archive of the kind its name says; also for errors that appear only while the block reads.
    """
    try:
        with open_decompressed(path) as file:
            yield file
    except UNREADABLE as error:
        raise unreadable(path, error) from error


def unreadable(path: str | Path, error: Exception) -> InputError:
    """What to tell the user of an error in UNREADABLE: the file and the remedy."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: no such file: check the name")
    if isinstance(error, IsADirectoryError):
        return InputError(f"{path}: is a folder: name a file in it")
    if isinstance(error, OSError) and not isinstance(error, gzip.BadGzipFile):
        return InputError(f"{path}: cannot be read ({error.strerror or error}): check its permissions")
    return InputError(
        f"{path}: is cut off, damaged or not a {_suffix(path)} archive ({error}): download it or compress it again"
    )


def _suffix(path: str | Path) -> str:
    return Path(path).suffix.lower()


def raw_lines(path: str | Path) -> Iterator[bytes]:
    """Every line of a file as bytes, with its end: a stream. Raises InputError for a line longer than LINE_LIMIT."""
    number = 0
    with open_bytes(path) as file:
        while line := file.readline(LINE_LIMIT + 1):
            number += 1
            if len(line) > LINE_LIMIT:
                raise InputError(
                    f"{path}, line {number}: is longer than {LINE_LIMIT:,} bytes: "
                    "give a text file with one sentence per line"
                )
            yield line


def decoded(line: bytes, path: str | Path, number: int) -> str:
    """The text of a line of `raw_lines`, without its end. Raises InputError, naming the byte, if it is not UTF-8."""
    if number == 1:
        line = line.removeprefix(_BYTE_ORDER_MARK)
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}, line {number}: is not UTF-8 at byte {error.start + 1} of the line "
            f"(0x{line[error.start]:02x}): convert the file to UTF-8, for example with iconv"
        ) from error


def read_lines(path: str | Path) -> list[str]:
    """Read every line of a text file, including blank ones, without line ends. An empty file has no lines.

    Raises InputError as `open_bytes` does, also for bytes that are not UTF-8 (naming line and byte) and for a line
    longer than LINE_LIMIT.
    """
    return [decoded(line, path, number) for number, line in enumerate(raw_lines(path), start=1)]


def read_parallel(source_path: str | Path, target_path: str | Path) -> ParallelText:
    """Read two files in which line i of one translates line i of the other.

    Raises InputError as `read_lines` does, also if the files have different numbers of lines or none at all.
    """
    sources, targets = read_lines(source_path), read_lines(target_path)
    if len(sources) != len(targets):
        raise unequal(source_path, len(sources), target_path, len(targets))
    if not sources:
        raise InputError(f"{source_path}: {NO_SENTENCES}")
    return ParallelText(sources, targets)


def unequal(source_path: str | Path, sources: int, target_path: str | Path, targets: int) -> InputError:
    """What to tell the user of two files with different numbers of lines."""
    return InputError(
        f"{source_path} has {sources:,} lines but {target_path} has {targets:,}: "
        "line i of one must translate line i of the other"
    )


def read_tsv(path: str | Path) -> ParallelText:
    """Read lines of source TAB target; further columns are ignored. A blank line is a pair of blank sides.

    Raises InputError as `read_lines` does, also for a line without a TAB and for a file without lines.
    """
    sources, targets = [], []
    for number, line in enumerate(read_lines(path), start=1):
        source, target = columns(line, path, number)
        sources.append(source)
        targets.append(target)
    if not sources:
        raise InputError(f"{path}: {NO_PAIRS}")
    return ParallelText(sources, targets)


def columns(line: str, path: str | Path, number: int) -> tuple[str, str]:
    """Source and target of a line of a .tsv file. Raises InputError if it has no TAB and is not blank."""
    source, tab, rest = line.partition("\t")
    if not tab and clean_text(line):
        raise InputError(f"{path}, line {number}: has no TAB: each line must be source TAB target")
    return source, rest.partition("\t")[0]


def find_text_file(folder: str | Path, name: str) -> Path | None:
    """The file `name` in `folder`, else the same with .gz, else with .xz, else None."""
    candidates = (Path(folder, name + suffix) for suffix in ("", *COMPRESSED_SUFFIXES))
    return next((path for path in candidates if path.is_file()), None)
