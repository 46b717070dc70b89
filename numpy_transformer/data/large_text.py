"""A training text that stays in its files: a vocabulary is learned from it, and its ids are kept in the cache folder.

tokenizer-8000/          tokenizer.json: the BPE of so many tokens
ids-0123abcd.../         the ids by one tokenizer, mapped into memory, so that a batch reads its own rows only:
    source.ids  target.ids          all ids, one row behind the other, 16 bits each (32 for more than 65,536 tokens)
    source.lengths  target.lengths  how many belong to each pair, 16 bits each
    words.txt                       the words of the sources (known_words.py)
    record.json                     how many pairs there are, and digests
"""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import bpe
from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.batching import EncodedText
from numpy_transformer.data.encoding import SentenceEncoder, prepare_text
from numpy_transformer.data.files import ParallelText
from numpy_transformer.data.id_rows import DIGEST_CHUNK, IdRows
from numpy_transformer.data.in_processes import can_fork
from numpy_transformer.data.known_words import KnownWords
from numpy_transformer.data.pair_files import Block
from numpy_transformer.data.prepared import (
    DamagedEntryError,
    PreparedEntries,
    digest_of,
    read_record,
    write_record,
)
from numpy_transformer.data.text_stream import TextStream
from numpy_transformer.errors import InputError
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.storage.atomic import UnwritableError, atomic_write

MOST_PRETOKENS = 1_000_000  # distinct ones that a vocabulary is learned from: a few hundred bytes of memory each
MOST_WORDS = 1 << 20  # that a process remembers to have sent
SIDES = ("source", "target")
LENGTH = np.dtype("<u2")  # no pair is longer than LONGEST_SOURCE


class PreparedIds(NamedTuple):
    """As PreparedText (encoding.py), but the sentences themselves are not in memory."""

    ids: EncodedText
    dropped: int  # pairs that were too long
    words_file: Path

    def known_words(self) -> KnownWords:
        """The words of the sources. Raises InputError if another process has removed them."""
        words = KnownWords.load(self.words_file)
        if words is None:
            raise InputError(f"{self.words_file}: was removed a moment ago: begin again")
        return words


@dataclass(frozen=True)
class LargeText:
    """The training pairs of some files: the lines whose flag is set."""

    stream: TextStream
    entries: PreparedEntries
    rows: Array  # (lines,) bool
    characters: tuple[int, ...]  # of the sources, of the targets

    def __len__(self) -> int:
        return int(np.count_nonzero(self.rows))

    def pairs(self, activity: str = "reading") -> Iterator[tuple[str, str]]:
        """The clean sentences of each training pair, read anew."""
        for block in self.stream.blocks(activity):
            yield from block.pairs(self._rows_of(block))

    def learn_tokenizer(self, vocabulary_size: int) -> bpe.Tokenizer:
        """A vocabulary for both sides, learned once. Warns as bpe.train does, whenever it is smaller."""

        def read(folder: Path) -> tuple[bpe.Tokenizer, list[str]]:
            record = read_record(folder / "record.json")
            try:
                return bpe.Tokenizer.load(folder / "tokenizer.json"), record["warnings"]
            except bpe.TokenizerError as error:
                raise DamagedEntryError(str(error)) from None

        def make(folder: Path) -> None:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                tokenizer = bpe.train(
                    (sentence for pair in self.pairs("counting words") for sentence in pair),
                    vocabulary_size=vocabulary_size,
                    processes=self.stream.processes if can_fork() else 1,
                    most_pretokens=MOST_PRETOKENS,
                )
            try:
                tokenizer.save(folder / "tokenizer.json")
            except bpe.TokenizerError as error:
                raise UnwritableError(str(error)) from None
            write_record(folder / "record.json", {"warnings": [str(warning.message) for warning in caught]})

        tokenizer, warned = self.entries.get(f"tokenizer-{vocabulary_size}", read, make)
        for warning in warned:
            warnings.warn(warning, stacklevel=2)
        return tokenizer

    def encoded(
        self, source: SentenceEncoder, target: SentenceEncoder, digest: str, config: TransformerConfig, max_length: int
    ) -> PreparedIds:
        """The ids of the pairs with at most `max_length` tokens on a side, as prepare_text (encoding.py) gives them.

        `digest` is that of the tokenizer whose two sides `source` and `target` are. Raises InputError if they cannot be
        written.
        """
        dtype = np.dtype("<u2" if config.vocabulary_size <= 1 << 16 else "<u4")
        identity = {
            "tokenizer": digest,
            "bos": config.bos_id,
            "eos": config.eos_id,
            "max_length": max_length,
            "bytes of an id": dtype.itemsize,
        }

        def make(folder: Path) -> None:
            given = (source, target, config, max_length, dtype)
            parts = self.stream.map(
                "encoding", _encode, lambda block: (self._rows_of(block),), begin=_begin, given=given
            )
            _write_ids(folder, parts, dtype)

        ids = self.entries.get(f"ids-{digest_of(identity)[:16]}", lambda folder: _read_ids(folder, dtype), make)
        self.entries.say_size()
        return ids

    def _rows_of(self, block: Block) -> list[int]:
        return np.flatnonzero(self.rows[block.row : block.row + len(block)]).tolist()


# In a process that encodes


class _Part(NamedTuple):
    """A block's pairs as ids."""

    ids: tuple[Array, Array]
    lengths: tuple[Array, Array]
    dropped: int
    words: list[str]  # that this process has not sent lately


_encoder: dict[str, Any] = {}  # what `_begin` was given


def _begin(
    source: SentenceEncoder, target: SentenceEncoder, config: TransformerConfig, max_length: int, dtype: Any
) -> None:
    _encoder.update(given=(source, target, config, max_length), dtype=dtype, words=set())


def _encode(block: Block, rows: list[int]) -> _Part:
    pairs = list(block.pairs(rows))
    text = prepare_text(ParallelText([s for s, _ in pairs], [t for _, t in pairs]), *_encoder["given"])
    sent: set[str] = _encoder["words"]
    words = KnownWords.of(text.text.sources).keys - sent
    if len(sent) > MOST_WORDS:
        sent.clear()
    sent |= words
    sides = (text.ids.sources, text.ids.targets)
    return _Part(
        (sides[0].ids.astype(_encoder["dtype"]), sides[1].ids.astype(_encoder["dtype"])),
        (sides[0].lengths.astype(LENGTH), sides[1].lengths.astype(LENGTH)),
        text.dropped,
        sorted(words),
    )


# The files


def _write_ids(folder: Path, parts: Iterator[_Part], dtype: Any) -> None:
    lengths: dict[str, list[Array]] = {side: [] for side in SIDES}
    dropped, words = 0, set()
    with ExitStack() as stack:
        files = [stack.enter_context(atomic_write(folder / f"{side}.ids")) for side in SIDES]
        for part in parts:
            for side, file, ids, its_lengths in zip(SIDES, files, part.ids, part.lengths, strict=True):
                file.write(ids.tobytes())
                lengths[side].append(its_lengths)
            dropped += part.dropped
            words.update(part.words)
    for side in SIDES:
        with atomic_write(folder / f"{side}.lengths") as file:
            file.write(np.concatenate(lengths[side]).tobytes())
    KnownWords(words).save(folder / "words.txt")
    values = {"pairs": sum(map(len, lengths["source"])), "dropped": dropped}
    write_record(folder / "record.json", {**values, **_digests(folder, dtype)})


def _read_ids(folder: Path, dtype: Any) -> PreparedIds:
    """Raises DamagedEntryError unless every byte is as it was written: all files are read, and not kept in memory."""
    record = read_record(folder / "record.json")
    try:
        if _digests(folder, dtype) != {name: record[name] for name in ("text", "words")}:
            raise DamagedEntryError(f"{folder}: its ids are not as they were written")
        sides = []
        for side in SIDES:
            lengths = np.fromfile(folder / f"{side}.lengths", LENGTH)
            # Without the class memmap, whose slices are slow; the file stays mapped as long as the array lives.
            ids = np.asarray(np.memmap(folder / f"{side}.ids", dtype, mode="r")) if len(lengths) else np.zeros(0, dtype)
            sides.append(IdRows(ids, lengths))
        return PreparedIds(EncodedText(sides[0], sides[1], record["text"]), record["dropped"], folder / "words.txt")
    except (OSError, KeyError) as error:
        raise DamagedEntryError(f"{folder}: {error}") from None


def _digests(folder: Path, dtype: Any) -> dict[str, str]:
    """Of the words, and of the ids: the same as EncodedText.digest, but the files are read piece by piece."""
    text = hashlib.sha256()
    for side in SIDES:
        for suffix, stored, digested in (("lengths", LENGTH, np.int64), ("ids", dtype, np.int32)):
            with open(folder / f"{side}.{suffix}", "rb") as file:
                while piece := file.read(DIGEST_CHUNK * stored.itemsize):
                    whole = len(piece) - len(piece) % stored.itemsize
                    text.update(np.frombuffer(piece[:whole], stored).astype(digested).tobytes() + piece[whole:])
    with open(folder / "words.txt", "rb") as file:
        return {"text": text.hexdigest(), "words": hashlib.file_digest(file, "sha256").hexdigest()}
