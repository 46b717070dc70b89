"""The lines of large files as a stream, with progress, processes that work on them, and a watch on the files."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bpe.compressed import COMPRESSED_SUFFIXES
from numpy_transformer.data.in_processes import in_processes
from numpy_transformer.data.pair_files import Block, PairFile, blocks
from numpy_transformer.data.prepared import check_unchanged, file_digest, file_state

Progress = Callable[[float, str], None]
"""Called from time to time with the fraction done, 0 to 1, and a short line."""

COMPRESSION = 4  # times smaller than its text: a compressed file, about


def text_bytes(files: Sequence[PairFile]) -> int:
    """How large the text of some files is, about, when it is not compressed. Missing files have none."""
    paths = [path for file in files for path in file.paths if os.path.isfile(path)]
    return sum(path.stat().st_size * (COMPRESSION if path.suffix in COMPRESSED_SUFFIXES else 1) for path in paths)


@dataclass(frozen=True)
class TextStream:
    """Files that are read again and again, each time from their beginning, and must not change meanwhile."""

    files: tuple[PairFile, ...]
    processes: int
    progress: Progress
    _states: dict[Path, Mapping[str, int]] = field(default_factory=dict)  # as they were when their digests were taken

    @cached_property
    def digests(self) -> list[list[str]]:
        """The SHA-256 of each file. Raises InputError if one cannot be read."""
        self._states.update({path: file_state(path) for file in self.files for path in file.paths})
        return [[file_digest(path) for path in file.paths] for file in self.files]

    def blocks(self, activity: str) -> Iterator[Block]:
        """All lines. Raises InputError if a file cannot be read, or has changed since its digest was taken."""
        total, done, lines = max(1, text_bytes(self.files)), 0, 0
        for block in blocks(self.files):
            yield block
            lines += len(block)
            done += block.size
            self.progress(min(1.0, done / total), f"{activity}: {lines:,} lines")
        for path, state in self._states.items():
            check_unchanged(path, state)

    def map(
        self,
        activity: str,
        function: Callable[..., Any],
        arguments: Callable[[Block], tuple[Any, ...]],
        *,
        begin: Callable[..., None] | None = None,
        given: tuple[Any, ...] = (),
    ) -> Iterator[Any]:
        """function(block, *arguments(block)) for all blocks, in order, by processes that first begin(*given)."""
        calls = ((block, *arguments(block)) for block in self.blocks(activity))
        return in_processes(function, calls, processes=self.processes, begin=begin, arguments=given)
