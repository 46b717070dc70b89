"""Which files a corpus is made of, by what --data says, and what is told of them: the same for texts of any size."""

import os
from dataclasses import dataclass
from pathlib import Path

from numpy_transformer.data.files import COMPRESSED_SUFFIXES, find_text_file
from numpy_transformer.data.pair_files import PairFile
from numpy_transformer.errors import InputError

HELD_OUT_LIMIT = 1000  # pairs for validation, and as many for the test
HELD_OUT_FRACTION = 0.02
SEPARATOR = ","  # between the files of one text

_TSV_SUFFIXES = tuple(".tsv" + suffix for suffix in ("", *COMPRESSED_SUFFIXES))


@dataclass(frozen=True)
class CorpusFiles:
    """The files of a corpus. Without files for validation, some training pairs are held out for it and for the test."""

    name: str
    train: tuple[PairFile, ...]
    valid: tuple[PairFile, ...] = ()
    test: tuple[PairFile, ...] = ()
    valid_name: str = ""  # what the notes call these texts
    test_name: str = ""

    @property
    def label(self) -> str:
        """What the notes call the training text."""
        return self.train[0].label + (f" and {len(self.train) - 1} more" if len(self.train) > 1 else "")


def find_files(
    data: str,
    *,
    source: str,
    target: str,
    data_directory: str | Path | None = None,
    validation: str | None = None,
) -> CorpusFiles:
    """The files that `data` names: FILE.tsv, several of them with commas between, or a folder (see load_corpus).

    Raises InputError, naming the file and the remedy, if they are not there.
    """
    path = Path(data_directory or "", data)
    several = [] if os.path.exists(path) else [name for name in data.split(SEPARATOR) if name]
    if data.endswith(_TSV_SUFFIXES) and len(several) < 2:
        several = [data]
    is_tsv = bool(several) and all(name.endswith(_TSV_SUFFIXES) for name in several)
    if not is_tsv:
        check_validation(data, validation)
    if is_tsv:
        paths = [Path(data_directory or "", name) for name in several]
        valid = () if validation is None else (_tsv(Path(data_directory or "", validation)),)
        return CorpusFiles(paths[0].name, tuple(map(_tsv, paths)), valid, valid_name=valid[0].label if valid else "")
    if os.path.isdir(path):
        return _folder(path, source, target)
    raise InputError(
        f"--data {data}: {'is not a .tsv file' if os.path.exists(path) else 'no such corpus, file or folder'}: "
        f"give phrasebook, multi30k, wmt14, a FILE.tsv, or a folder with train.{source} and train.{target}"
    )


def check_validation(data: str, validation: str | None) -> None:
    """Raises InputError if a validation file is given with a corpus that has its own."""
    if validation is not None:
        raise InputError(
            f"--validation {validation}: only goes with --data FILE.tsv, not with {data}: "
            "put the validation texts beside the training texts as valid.*"
        )


def held_out_count(pairs: int) -> int:
    """How many of so many pairs are held out for validation, and as many for the test."""
    return min(HELD_OUT_LIMIT, max(1, int(pairs * HELD_OUT_FRACTION)))


def too_few(files: CorpusFiles, pairs: int) -> InputError:
    """What to tell the user of a text of which nothing is left for training."""
    return InputError(
        f"{files.label}: has too few distinct sentences in its {pairs:,} pairs to hold some out "
        "for validation and test: give a larger file"
    )


def dropped_notes(name: str, whole: int, pairs: int) -> list[str]:
    """A note if some pairs of a text are not `whole`. Raises InputError if none is."""
    if not whole:
        raise InputError(f"{name}: each of its {pairs:,} pairs has a blank side: give sentences on both sides")
    if whole == pairs:
        return []
    return [f"{name}: {pairs - whole:,} of {pairs:,} pairs dropped because a side is blank"]


def held_out_note(files: CorpusFiles, pairs: int, train: int, valid: int, test: int) -> str:
    """What became of all the pairs of a text of which some are held out."""
    return (
        f"{files.label}: {valid:,} pairs held out for validation and {test:,} for the test; "
        f"{pairs - train - valid - test:,} more left out because they repeat a sentence of those"
    )


def overlap_notes(name: str, shared: int, pairs: int) -> list[str]:
    """A note if pairs of an evaluation text also occur in the training text: they make the scores too good."""
    return [f"{name}: {shared:,} of {pairs:,} pairs also occur in the training text"] if shared else []


def _tsv(path: Path) -> PairFile:
    return PairFile(str(path), path)


def _folder(folder: Path, source: str, target: str) -> CorpusFiles:
    if source == target:
        raise InputError(f"--source {source} --target {target}: these are the same language: name two different ones")

    def find(*names: str) -> tuple[PairFile, ...]:
        """The part under the first of `names` that has a file in one of the languages; nothing if there is none."""
        for name in names:
            paths = [find_text_file(folder, f"{name}.{language}") for language in (source, target)]
            if paths[0] and paths[1]:
                return (PairFile(str(folder / name), paths[0], paths[1]),)
            if paths[0] or paths[1]:
                missing = folder / f"{name}.{target if paths[0] else source}"
                raise InputError(
                    f"{missing}: no such file, plain, .gz or .xz: "
                    "add it, or name other languages with --source and --target"
                )
        return ()

    train, valid, test = find("train"), find("valid", "val"), find("test")
    for files, name in ((train, "train"), (valid, "valid")):
        if not files:
            raise InputError(
                f"{folder}: holds no {name}.{source} and {name}.{target}, plain, .gz or .xz: "
                "add them, or give their languages with --source and --target"
            )
    return CorpusFiles(
        folder.resolve().name, train, valid, test, valid_name=f"{folder} validation", test_name=f"{folder} test"
    )
