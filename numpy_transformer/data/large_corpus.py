"""A corpus of any size: its training text stays in its files, and is read as a stream by several processes.

What load_corpus (corpora.py) does with lists of sentences is done here with a few numbers for each pair: the same
sentences are cleaned, dropped and held out, and the same notes are made. A small text goes the other way: it needs no
cache folder, and lists are what a Python program can look into. A test holds the two equal.

First all lines are read once (`_survey`): which are whole pairs, and, if some are to be held out, 64-bit hashes of each
pair and its sentences. The result is a flag for each line, which says whether it is training text. It is kept in the
cache folder (prepared.py) with the held-out sentences. The sentences of the training text are in no other file.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.corpora import read_pairs
from numpy_transformer.data.corpus_files import (
    CorpusFiles,
    dropped_notes,
    held_out_count,
    held_out_note,
    overlap_notes,
    too_few,
)
from numpy_transformer.data.files import ParallelText
from numpy_transformer.data.holding_out import hold_out_rows, pair_hash, sentence_hash
from numpy_transformer.data.large_text import LargeText
from numpy_transformer.data.pair_files import Block
from numpy_transformer.data.prepared import PAIRS, DamagedEntryError, PreparedEntries, Say, read_record, write_record
from numpy_transformer.data.text_stream import Progress, TextStream, text_bytes
from numpy_transformer.storage.atomic import atomic_write

LARGE = 32 << 20  # bytes; from there on a text is not held in memory


@dataclass(frozen=True)
class LargeCorpus:
    """As Corpus (corpora.py), but the training text is not in memory."""

    name: str
    source_language: str
    target_language: str
    train: LargeText
    valid: ParallelText
    test: ParallelText
    notes: tuple[str, ...] = ()
    expressions: ParallelText = field(default_factory=lambda: ParallelText([], []))


class Survey(NamedTuple):
    """What the lines of a text are."""

    rows: Array  # (lines,) bool: which ones are training pairs
    characters: tuple[int, ...]  # of the training pairs' sides
    whole: list[tuple[int, int]]  # of each file: pairs without a blank side, all pairs
    held_out: tuple[ParallelText, ParallelText]  # for validation and test; empty if these have files
    shared: tuple[int, ...]  # pairs of the validation and test files that are training pairs, too


def is_large(files: CorpusFiles) -> bool:
    """Whether a training text should stay in its files."""
    return text_bytes(files.train) >= LARGE


def large_corpus(
    files: CorpusFiles, *, source: str, target: str, seed: int, processes: int, say: Say, progress: Progress
) -> LargeCorpus:
    """The corpus in `files`, prepared by `processes`, or opened if it was prepared before.

    `say` is called with a line for the user now and then. Raises InputError as load_corpus does, also if the cache
    folder cannot be written to.
    """
    evaluation_notes: list[str] = []
    valid, test = (read_pairs(some, evaluation_notes) for some in (files.valid, files.test))
    stream = TextStream(files.train, processes, progress)
    if files.valid:
        seed = 0  # nothing is drawn: the same text for every seed
    identity = {
        "train": stream.digests,
        "evaluation": [TextStream(some, processes, progress).digests for some in (files.valid, files.test)],
        "seed": seed,
        "unicode": unicodedata.unidata_version,
    }
    entries = PreparedEntries(identity, say)

    def make(folder: Path) -> None:
        _write_survey(folder, files.label, _survey(stream, files, (valid, test), seed))

    survey = entries.get(PAIRS, _read_survey, make)
    train = LargeText(stream, entries, survey.rows, survey.characters)
    notes = [
        note
        for file, (whole, pairs) in zip(files.train, survey.whole, strict=True)
        for note in dropped_notes(file.label, whole, pairs)
    ]
    notes += evaluation_notes
    if files.valid:
        notes += overlap_notes(files.valid_name, survey.shared[0], len(valid))
        notes += overlap_notes(files.test_name, survey.shared[1], len(test))
    else:
        valid, test = survey.held_out
        total = sum(whole for whole, _ in survey.whole)
        notes.append(held_out_note(files, total, len(train), len(valid), len(test)))
    return LargeCorpus(files.name, source, target, train, valid, test, tuple(notes))


class _Found(NamedTuple):
    """What a process finds in a block; the arrays below `whole` have a number for each whole pair."""

    part: int  # the number of the block's file
    whole: Array  # (lines,) bool: neither side is blank
    pairs: Array  # hashes
    sources: Array  # hashes, if sentences are asked for
    targets: Array
    characters: Array  # (pairs, 2)


def _look_at(block: Block, seed: int, with_sentences: bool) -> _Found:
    pairs = list(block.pairs())
    whole = [pair for pair in pairs if all(pair)]
    sources, targets = ([pair[side] for pair in whole] if with_sentences else [] for side in (0, 1))
    return _Found(
        block.part,
        np.fromiter(map(all, pairs), bool, len(pairs)),
        _hashes(pair_hash(source, target, seed) for source, target in whole),
        _hashes(map(sentence_hash, sources)),
        _hashes(map(sentence_hash, targets)),
        np.array([[len(source), len(target)] for source, target in whole], np.uint32).reshape(-1, 2),
    )


def _hashes(values: Iterable[int]) -> Array:
    return np.fromiter(values, np.uint64)


def _survey(stream: TextStream, files: CorpusFiles, evaluation: Sequence[ParallelText], seed: int) -> Survey:
    """Read all lines once. Without an evaluation text, pairs are held out, in a second look at their lines only."""
    known = [
        _hashes(pair_hash(*pair, seed) for pair in zip(text.sources, text.targets, strict=True)) for text in evaluation
    ]
    is_shared = [np.zeros(len(hashes), bool) for hashes in known]
    sizes = [[0, 0] for _ in files.train]
    rows: list[Array] = []
    found: list[_Found] = []
    characters = np.zeros(2, np.int64)
    for lines in stream.map("reading", _look_at, lambda block: (seed, not files.valid)):
        rows.append(lines.whole)
        sizes[lines.part][0] += len(lines.pairs)
        sizes[lines.part][1] += len(lines.whole)
        characters += lines.characters.sum(axis=0, dtype=np.int64)
        if not files.valid:
            found.append(lines)
        for shared, hashes in zip(is_shared, known, strict=True):
            shared |= np.isin(hashes, lines.pairs)
    survey = Survey(
        np.concatenate(rows),
        tuple(characters.tolist()),
        [(whole, lines) for whole, lines in sizes],
        (ParallelText([], []), ParallelText([], [])),
        (int(is_shared[0].sum()), int(is_shared[1].sum())),
    )
    for file, (whole, pairs) in zip(files.train, survey.whole, strict=True):
        dropped_notes(file.label, whole, pairs)  # raises if none is whole
    return survey if files.valid else _hold_out(stream, files, survey, found)


def _hold_out(stream: TextStream, files: CorpusFiles, survey: Survey, found: list[_Found]) -> Survey:
    """The survey with pairs for validation and test, as corpora.hold_out chooses them, out of the training pairs."""
    pairs = np.concatenate([lines.pairs for lines in found])
    sources = np.concatenate([lines.sources for lines in found])
    targets = np.concatenate([lines.targets for lines in found])
    count = held_out_count(len(pairs))
    places = np.flatnonzero(survey.rows)  # of the whole pairs, among all lines
    left = np.arange(len(pairs))
    chosen = []
    for _ in ("validation", "test"):
        held_out, stays = hold_out_rows(pairs[left], sources[left], targets[left], count)
        chosen.append(places[left[held_out]])
        left = left[stays]
    if not len(left):
        raise too_few(files, len(pairs))
    rows = np.zeros_like(survey.rows)
    rows[places[left]] = True
    characters = np.concatenate([lines.characters for lines in found])[left].sum(axis=0, dtype=np.int64)
    valid, test = _sentences_at(stream, chosen)
    return survey._replace(rows=rows, characters=tuple(characters.tolist()), held_out=(valid, test))


def _sentences_at(stream: TextStream, chosen: Sequence[Array]) -> Iterator[ParallelText]:
    """The pairs in some lines, in the order of each array of lines."""
    wanted = np.sort(np.concatenate(chosen))
    at: dict[int, tuple[str, str]] = {}
    for block in stream.blocks("holding out"):
        first, last = np.searchsorted(wanted, (block.row, block.row + len(block)))
        lines = wanted[first:last].tolist()
        at.update(zip(lines, block.pairs([line - block.row for line in lines]), strict=True))
    for lines in chosen:
        pairs = [at[line] for line in lines.tolist()]
        yield ParallelText([source for source, _ in pairs], [target for _, target in pairs])


def _write_survey(folder: Path, label: str, survey: Survey) -> None:
    content = survey.rows.tobytes()
    with atomic_write(folder / "rows") as file:
        file.write(content)
    record = {
        "text": label,  # for those who look into the folder
        "rows": hashlib.sha256(content).hexdigest(),
        "characters": survey.characters,
        "whole": survey.whole,
        "held out": [[text.sources, text.targets] for text in survey.held_out],
        "shared": survey.shared,
    }
    write_record(folder / "record.json", record)


def _read_survey(folder: Path) -> Survey:
    record = read_record(folder / "record.json")
    try:
        content = (folder / "rows").read_bytes()
        if hashlib.sha256(content).hexdigest() != record["rows"]:
            raise DamagedEntryError(f"{folder}: its rows are not as they were written")
        valid, test = (ParallelText(*sides) for sides in record["held out"])
        whole = [(whole, pairs) for whole, pairs in record["whole"]]
        rows, characters, shared = np.frombuffer(content, bool), record["characters"], record["shared"]
        return Survey(rows, tuple(characters), whole, (valid, test), tuple(shared))
    except (OSError, KeyError) as error:
        raise DamagedEntryError(f"{folder}: {error}") from None
