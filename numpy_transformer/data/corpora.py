"""Every corpus a model can be trained on, by the name given to --data."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from numpy_transformer.data import multi30k
from numpy_transformer.data.clean_text import clean_text
from numpy_transformer.data.files import (
    COMPRESSED_SUFFIXES,
    ParallelText,
    find_text_file,
    read_parallel,
    read_tsv,
)
from numpy_transformer.data.spellings import as_typed
from numpy_transformer.errors import InputError

PHRASEBOOK_TRAIN_SIZE = 300_000  # pairs
HELD_OUT_LIMIT = 1000  # pairs for validation, and as many for the test
HELD_OUT_FRACTION = 0.02

_TSV_SUFFIXES = tuple(".tsv" + suffix for suffix in ("", *COMPRESSED_SUFFIXES))


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
    - FILE.tsv, FILE.tsv.gz, FILE.tsv.xz: the columns are source TAB target *in this order*; `source` and
      `target` only label them. `validation` names a second such file, and then there is no test set. Without
      it some pairs are held out for validation and test, the same ones for the same `seed`. No sentence of one of
      the three parts occurs in another, on either side.
    - a folder with train, valid (or val) and optionally test: train.en and train.de for English to German,
      plain, .gz or .xz.

    With `data_directory`, relative files and folders are looked up there; Multi30k's files too. Pairs with a blank
    side are dropped and counted in the notes; duplicate pairs are all kept. The seed also draws the phrasebook's
    sentences.

    Raises InputError, naming the file, the line and the remedy, for anything that cannot be read.
    """
    path = Path(data_directory or "", data)
    if validation is not None and not data.endswith(_TSV_SUFFIXES):
        raise InputError(
            f"--validation {validation}: only goes with --data FILE.tsv, not with {data}: "
            "put the validation texts beside the training texts as valid.*"
        )
    if data == "phrasebook":
        return _phrasebook(source, target, seed)
    if data == "multi30k":
        return _multi30k(source, target, data_directory)
    if data.endswith(_TSV_SUFFIXES):
        validation_path = None if validation is None else Path(data_directory or "", validation)
        return _tsv(path, validation_path, source, target, seed)
    if os.path.isdir(path):
        return _folder(path, source, target)
    raise InputError(
        f"--data {data}: {'is not a .tsv file' if os.path.exists(path) else 'no such corpus, file or folder'}: "
        f"give phrasebook, multi30k, a FILE.tsv, or a folder with train.{source} and train.{target}"
    )


def hold_out(text: ParallelText, count: int, seed: int) -> tuple[ParallelText, ParallelText]:
    """Split off `count` pairs (fewer if the text has fewer distinct sentences): (held out, rest).

    No sentence of one part occurs in the other, on either side, and none occurs twice in the held-out part; pairs
    that would break this are in neither. Each pair draws its place from its own words and `seed`. So the choice does
    not depend on the order of the pairs, nor on the version of a random generator.
    """
    pairs = list(zip(text.sources, text.targets, strict=True))
    sources: set[str] = set()
    targets: set[str] = set()
    held_out: list[tuple[str, str]] = []
    for source, target in sorted(set(pairs), key=lambda pair: _rank(pair, seed)):
        if len(held_out) == count:
            break
        if source not in sources and target not in targets:
            held_out.append((source, target))
            sources.add(source)
            targets.add(target)
    rest = [pair for pair in pairs if pair[0] not in sources and pair[1] not in targets]
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


def _tsv(path: Path, validation: Path | None, source: str, target: str, seed: int) -> Corpus:
    notes: list[str] = []
    train = _clean(read_tsv(path), str(path), notes)
    if validation is not None:
        valid = _clean(read_tsv(validation), str(validation), notes)
        _note_overlap(train, valid, str(validation), notes)
        return Corpus(path.name, source, target, train, valid, ParallelText([], []), tuple(notes))

    total = len(train)
    count = min(HELD_OUT_LIMIT, max(1, int(total * HELD_OUT_FRACTION)))
    valid, rest = hold_out(train, count, seed)
    test, train = hold_out(rest, count, seed)
    if not train:
        raise InputError(
            f"{path}: has too few distinct sentences in its {total:,} pairs to hold some out "
            "for validation and test: give a larger file"
        )
    apart = total - len(train) - len(valid) - len(test)
    notes.append(
        f"{path}: {len(valid):,} pairs held out for validation and {len(test):,} for the test; "
        f"{apart:,} more left out because they repeat a sentence of those"
    )
    return Corpus(path.name, source, target, train, valid, test, tuple(notes))


def _folder(folder: Path, source: str, target: str) -> Corpus:
    if source == target:
        raise InputError(f"--source {source} --target {target}: these are the same language: name two different ones")
    notes: list[str] = []

    def read(*names: str) -> ParallelText:
        """The part under the first of `names` that has a file in one of the languages; empty if there is none."""
        for name in names:
            paths = [find_text_file(folder, f"{name}.{language}") for language in (source, target)]
            if paths[0] and paths[1]:
                return _clean(read_parallel(paths[0], paths[1]), str(folder / name), notes)
            if paths[0] or paths[1]:
                missing = folder / f"{name}.{target if paths[0] else source}"
                raise InputError(
                    f"{missing}: no such file, plain, .gz or .xz: "
                    "add it, or name other languages with --source and --target"
                )
        return ParallelText([], [])

    train, valid, test = read("train"), read("valid", "val"), read("test")
    for text, name in ((train, "train"), (valid, "valid")):
        if not text:
            raise InputError(
                f"{folder}: holds no {name}.{source} and {name}.{target}, plain, .gz or .xz: "
                "add them, or give their languages with --source and --target"
            )
    _note_overlap(train, valid, f"{folder} validation", notes)
    _note_overlap(train, test, f"{folder} test", notes)
    return Corpus(folder.resolve().name, source, target, train, valid, test, tuple(notes))


def _clean(text: ParallelText, name: str, notes: list[str]) -> ParallelText:
    """Clean the sentences as translators do, and drop pairs with a blank side, noting how many."""
    pairs = [
        (clean_text(source), clean_text(target)) for source, target in zip(text.sources, text.targets, strict=True)
    ]
    whole = [pair for pair in pairs if all(pair)]
    if not whole:
        raise InputError(f"{name}: each of its {len(pairs):,} pairs has a blank side: give sentences on both sides")
    if dropped := len(pairs) - len(whole):
        notes.append(f"{name}: {dropped:,} of {len(pairs):,} pairs dropped because a side is blank")
    return _parallel_text(whole)


def _note_overlap(train: ParallelText, part: ParallelText, name: str, notes: list[str]) -> None:
    """Note how many evaluation pairs also occur in the training text: they make the scores too good."""
    known = set(zip(train.sources, train.targets, strict=True))
    if shared := sum(pair in known for pair in zip(part.sources, part.targets, strict=True)):
        notes.append(f"{name}: {shared:,} of {len(part):,} pairs also occur in the training text")


def _parallel_text(pairs: list[tuple[str, str]]) -> ParallelText:
    return ParallelText([source for source, _ in pairs], [target for _, target in pairs])


def _rank(pair: tuple[str, str], seed: int) -> bytes:
    """A number that depends only on the pair and the seed."""
    return hashlib.blake2b(f"{seed}\t{pair[0]}\t{pair[1]}".encode(), digest_size=8).digest()


def _require_english_german(name: str, source: str, target: str) -> None:
    if {source, target} != {"en", "de"}:
        raise InputError(
            f"--source {source} --target {target}: the {name} corpus is English and German only: "
            "give en and de in either order, or other texts with --data"
        )
