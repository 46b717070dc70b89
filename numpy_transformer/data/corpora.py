"""Every corpus a model can be trained on, by the name given to --data."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.data import multi30k
from numpy_transformer.data.clean_text import clean_text
from numpy_transformer.data.corpus_files import (
    CorpusFiles,
    check_validation,
    dropped_notes,
    find_files,
    held_out_count,
    held_out_note,
    overlap_notes,
    too_few,
)
from numpy_transformer.data.files import ParallelText, read_parallel
from numpy_transformer.data.holding_out import hold_out_rows, pair_hash, sentence_hash
from numpy_transformer.data.pair_files import PairFile
from numpy_transformer.data.spellings import as_typed
from numpy_transformer.data.wmt14 import wmt14_files
from numpy_transformer.errors import InputError

PHRASEBOOK_TRAIN_SIZE = 300_000  # pairs


@dataclass(frozen=True)
class Corpus:
    """Parallel text for training, validation and test. Only `test` may be empty.

    Every sentence is as clean_text leaves it, and none is blank. `notes` tells the user, in sentences, where the
    text came from and what was dropped. `expressions` stand in the training text too: what is learned whole, such as
    greetings, can only be tested whole.
    """

    name: str
    source_language: str
    target_language: str
    train: ParallelText
    valid: ParallelText
    test: ParallelText
    notes: tuple[str, ...] = ()
    expressions: ParallelText = field(default_factory=lambda: ParallelText([], []))


def load_corpus(
    data: str,
    *,
    source: str = "en",
    target: str = "de",
    data_directory: str | Path | None = None,
    validation: str | None = None,
    seed: int = 0,
) -> Corpus:
    """Load the corpus that `data` names.

    - "phrasebook": generated English-German sentences (`numpy_transformer.data.phrasebook`); the training sources are
      spelt as people type them (`numpy_transformer.data.spellings`).
    - "multi30k": English-German image captions, downloaded once (`numpy_transformer.data.multi30k`).
    - "wmt14": the paper's corpus, from files that the user has (`numpy_transformer.data.wmt14`).
    - FILE.tsv, FILE.tsv.gz, FILE.tsv.xz: the columns are source TAB target *in this order*; `source` and
      `target` only label them. `validation` names a second such file, and then there is no test set. Without
      it some pairs are held out for validation and test, the same ones for the same `seed`. No sentence of one of
      the three parts occurs in another, on either side. Several files, with commas between their names, are one text.
    - a folder with train, valid (or val) and optionally test: train.en and train.de for English to German,
      plain, .gz or .xz.

    With `data_directory`, relative files and folders are looked up there; Multi30k's files too. Pairs with a blank
    side are dropped and counted in the notes; duplicate pairs are all kept. The seed also draws the phrasebook's
    sentences.

    Raises InputError, naming the file, the line and the remedy, for anything that cannot be read.
    """
    if data == "phrasebook":
        check_validation(data, validation)
        return _phrasebook(source, target, seed)
    if data == "multi30k":
        check_validation(data, validation)
        return _multi30k(source, target, data_directory)
    files = files_of(data, source=source, target=target, data_directory=data_directory, validation=validation)
    return _read(files, source, target, seed)


def files_of(
    data: str, *, source: str, target: str, data_directory: str | Path | None = None, validation: str | None = None
) -> CorpusFiles:
    """The files of a corpus that is neither phrasebook nor multi30k. Raises InputError as load_corpus does."""
    if data == "wmt14":
        check_validation(data, validation)
        return wmt14_files(source, target, data_directory)
    return find_files(data, source=source, target=target, data_directory=data_directory, validation=validation)


def hold_out(text: ParallelText, count: int, seed: int) -> tuple[ParallelText, ParallelText]:
    """Split off `count` pairs (fewer if the text has fewer distinct sentences): (held out, rest).

    No sentence of one part occurs in the other, on either side, and none occurs twice in the held-out part; pairs
    that would break this are in neither (holding_out.py).
    """

    def array(hashes: Iterable[int]) -> Array:
        return np.fromiter(hashes, dtype=np.uint64, count=len(text))

    pairs = array(pair_hash(source, target, seed) for source, target in zip(text.sources, text.targets, strict=True))
    sources, targets = array(map(sentence_hash, text.sources)), array(map(sentence_hash, text.targets))
    chosen, stays = hold_out_rows(pairs, sources, targets, count)
    held_out, rest = (
        [(text.sources[i], text.targets[i]) for i in part] for part in (chosen.tolist(), np.flatnonzero(stays).tolist())
    )
    return _parallel_text(held_out), _parallel_text(rest)


def _phrasebook(source: str, target: str, seed: int) -> Corpus:
    _require_english_german("phrasebook", source, target)
    from numpy_transformer.data import phrasebook  # imported here, because its tables are large

    parts = (*phrasebook.split(PHRASEBOOK_TRAIN_SIZE, seed=seed), phrasebook.fixed_expressions())
    train, valid, test, expressions = (
        _parallel_text([(pair.source, pair.target) if source == "en" else (pair.target, pair.source) for pair in part])
        for part in parts
    )
    train = ParallelText(as_typed(train.sources, seed), train.targets)
    return Corpus("phrasebook", source, target, train, valid, test, expressions=expressions)


def _multi30k(source: str, target: str, data_directory: str | Path | None) -> Corpus:
    _require_english_german("multi30k", source, target)
    files = multi30k.multi30k_files(data_directory)
    notes = [f"multi30k: read from {files[f'{multi30k.TRAIN}.{source}'].parent}"]
    train, valid, test = (
        _clean(read_parallel(files[f"{part}.{source}"], files[f"{part}.{target}"]), f"multi30k {part}", notes)
        for part in (multi30k.TRAIN, multi30k.VALID, multi30k.TEST)
    )
    _note_overlap(train, valid, "multi30k validation", notes)
    _note_overlap(train, test, "multi30k test", notes)
    return Corpus("multi30k", source, target, train, valid, test, tuple(notes))


def _read(files: CorpusFiles, source: str, target: str, seed: int) -> Corpus:
    """The text of some files, in memory."""
    notes: list[str] = []
    train, valid, test = (read_pairs(some, notes) for some in (files.train, files.valid, files.test))
    if files.valid:
        _note_overlap(train, valid, files.valid_name, notes)
        _note_overlap(train, test, files.test_name, notes)
        return Corpus(files.name, source, target, train, valid, test, tuple(notes))
    total = len(train)
    count = held_out_count(total)
    valid, rest = hold_out(train, count, seed)
    test, train = hold_out(rest, count, seed)
    if not train:
        raise too_few(files, total)
    notes.append(held_out_note(files, total, len(train), len(valid), len(test)))
    return Corpus(files.name, source, target, train, valid, test, tuple(notes))


def read_pairs(files: Sequence[PairFile], notes: list[str]) -> ParallelText:
    """The pairs of some files, cleaned, in one text; the notes get a line for each file that lost some."""
    texts = [_clean(file.read(), file.label, notes) for file in files]
    return ParallelText([s for text in texts for s in text.sources], [t for text in texts for t in text.targets])


def _clean(text: ParallelText, name: str, notes: list[str]) -> ParallelText:
    """Clean the sentences as translators do, and drop pairs with a blank side, noting how many."""
    pairs = [
        (clean_text(source), clean_text(target)) for source, target in zip(text.sources, text.targets, strict=True)
    ]
    whole = [pair for pair in pairs if all(pair)]
    notes += dropped_notes(name, len(whole), len(pairs))
    return _parallel_text(whole)


def _note_overlap(train: ParallelText, part: ParallelText, name: str, notes: list[str]) -> None:
    """Note how many evaluation pairs also occur in the training text: they make the scores too good."""
    known = set(zip(train.sources, train.targets, strict=True))
    shared = sum(pair in known for pair in zip(part.sources, part.targets, strict=True))
    notes += overlap_notes(name, shared, len(part))


def _parallel_text(pairs: list[tuple[str, str]]) -> ParallelText:
    return ParallelText([source for source, _ in pairs], [target for _, target in pairs])


def _require_english_german(name: str, source: str, target: str) -> None:
    if {source, target} != {"en", "de"}:
        raise InputError(
            f"--source {source} --target {target}: the {name} corpus is English and German only: "
            "give en and de in either order, or other texts with --data"
        )
