"""The texts that the cache folder holds, prepared for training: python -m numpy_transformer.cache; see --help."""

import argparse
from pathlib import Path

from bpe.arguments import CommandParser
from numpy_transformer.data.prepared import (
    PAIRS,
    DamagedEntryError,
    folder_bytes,
    megabytes,
    prepared_folder,
    prepared_texts,
    read_record,
    remove_prepared,
    remove_remains,
)
from numpy_transformer.errors import InputError
from numpy_transformer.program import add_version
from numpy_transformer.terminal.wording import counted


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = CommandParser(
        description="List the texts that were prepared for training and are kept in the cache folder, with their "
        "sizes, or remove them. A text that is needed again is prepared again.",
    )
    add_version(parser)
    parser.add_argument(
        "--remove", nargs="*", metavar="NAME", help="remove these, by their names in the list, or all of them"
    )
    return parser.parse_args(arguments)


def chosen(names: list[str]) -> list[Path]:
    """The folders of these names, of all texts if there is no name. Raises InputError for an unknown name."""
    known = {folder.name: folder for folder in prepared_texts()}
    for name in names:
        if name not in known:
            raise InputError(f"--remove {name}: {prepared_folder()} holds no such text: leave it out to list them")
    return [known[name] for name in names or known]


def text_of(folder: Path) -> str:
    """The file that a text was prepared from."""
    try:
        return str(read_record(folder / PAIRS / "record.json").get("text", ""))
    except DamagedEntryError:
        return "(unfinished)"


def main() -> None:
    """List or remove, as the command line says."""
    options = parse_arguments(None)
    if options.remove is None:
        folders = prepared_texts()
        for folder in folders:
            print(f"{folder.name}  {megabytes(folder_bytes(folder)):>12}  {text_of(folder)}")
        what, total = "", sum(map(folder_bytes, folders))
    else:
        folders = chosen(options.remove)
        what, total = " removed", 0
        for folder in folders:
            size = folder_bytes(folder)
            remove_prepared(folder)
            total += size
        if not options.remove:
            remove_remains()
    print(f"{counted(len(folders), 'text')}{what}, {megabytes(total)}, in {prepared_folder()}")
