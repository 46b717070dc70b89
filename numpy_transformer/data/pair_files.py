"""Files of sentence pairs, read whole or as a stream of blocks that processes can work on."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from numpy_transformer.data.clean_text import clean_text
from numpy_transformer.data.files import (
    NO_PAIRS,
    NO_SENTENCES,
    ParallelText,
    columns,
    decoded,
    raw_lines,
    read_parallel,
    read_tsv,
    unequal,
)
from numpy_transformer.data.sgm import read_parallel_segments
from numpy_transformer.errors import InputError

BLOCK_LINES = 1 << 14
BLOCK_BYTES = 1 << 22


@dataclass(frozen=True)
class PairFile:
    """A file of source TAB target lines, or two files in which line i of `target` translates line i of `source`."""

    label: str  # what the user's notes call it
    source: Path
    target: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The one file, or both."""
        return (self.source,) if self.target is None else (self.source, self.target)

    def read(self) -> ParallelText:
        """All of it, as it stands there."""
        if self.target is None:
            return read_tsv(self.source)
        read = read_parallel_segments if ".sgm" in self.source.suffixes else read_parallel
        return read(self.source, self.target)


@dataclass(frozen=True)
class Block:
    """Some lines of a file, as bytes: what a process is given, so that decoding and checking them are its work."""

    file: PairFile
    part: int  # number of the file among all files
    row: int  # of its first line, among the lines of all files
    number: int  # of its first line in its file, from 1
    sources: list[bytes]
    targets: list[bytes]  # none for a .tsv file

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(map(len, self.sources)) + sum(map(len, self.targets))

    def pairs(self, rows: Collection[int] | None = None) -> Iterator[tuple[str, str]]:
        """The clean sentences of each line, perhaps blank; or of those at `rows`, counted from this block's first.

        Raises InputError, naming file and line, as the readers of whole files do.
        """
        for i in range(len(self)) if rows is None else rows:
            number = self.number + i
            source = decoded(self.sources[i], self.file.source, number)
            if self.file.target is None:
                source, target = columns(source, self.file.source, number)
            else:
                target = decoded(self.targets[i], self.file.target, number)
            yield clean_text(source), clean_text(target)


def blocks(files: Sequence[PairFile]) -> Iterator[Block]:
    """All lines of some files, one file after the other.

    Raises InputError for an empty file, and for two files with different numbers of lines.
    """
    row = 0
    for part, file in enumerate(files):
        start, first = row, row
        sources: list[bytes] = []
        targets: list[bytes] = []
        size = 0
        for source, target in _lines(file):
            sources.append(source)
            size += len(source)
            if target is not None:
                targets.append(target)
                size += len(target)
            row += 1
            if len(sources) == BLOCK_LINES or size >= BLOCK_BYTES:
                yield Block(file, part, first, first - start + 1, sources, targets)
                first, sources, targets, size = row, [], [], 0
        if row == start:
            raise InputError(f"{file.source}: {NO_PAIRS if file.target is None else NO_SENTENCES}")
        if sources:
            yield Block(file, part, first, first - start + 1, sources, targets)


def _lines(file: PairFile) -> Iterator[tuple[bytes, bytes | None]]:
    if file.target is None:
        for line in raw_lines(file.source):
            yield line, None
        return
    sources, targets = raw_lines(file.source), raw_lines(file.target)
    for number, (source, target) in enumerate(zip_longest(sources, targets)):
        if source is None or target is None:
            rest = 1 + sum(1 for _ in (targets if source is None else sources))
            counts = (number, number + rest) if source is None else (number + rest, number)
            raise unequal(file.source, counts[0], file.target, counts[1])
        yield source, target
