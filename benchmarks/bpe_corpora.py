"""Shared by the BPE benchmarks and proofs: the real corpora, and a report that says where it was made."""

import gzip
import importlib.metadata
import json
import lzma
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.machine import available_cpus, machine, peak_memory

PEERS = ("tokenizers", "sentencepiece", "tiktoken", "subword-nmt")


def data_folder(given: str | None = None) -> Path:
    """The folder of the real corpora: an argument, NUMPY_TRANSFORMER_DATA, or shared/data beside the repository."""
    folder = given or os.environ.get("NUMPY_TRANSFORMER_DATA") or Path(__file__).parents[2] / "shared" / "data"
    if not Path(folder, "multi30k").is_dir():
        raise SystemExit(f"error: no folder multi30k in {folder}; give --data-dir or set NUMPY_TRANSFORMER_DATA")
    return Path(folder)


def multi30k(folder: Path, splits: Iterable[str] = ("train",)) -> list[str]:
    """The lines of Multi30k, English then German."""
    lines = []
    for split in splits:
        for language in ("en", "de"):
            data = gzip.decompress((folder / "multi30k" / f"{split}.{language}.gz").read_bytes())
            lines += data.decode("utf-8").removesuffix("\n").split("\n")
    return lines


def tatoeba(folder: Path, splits: Iterable[str] = ("train",)) -> list[str]:
    """The sentences of Tatoeba, both languages in turn."""
    lines = []
    for split in splits:
        data = lzma.decompress((folder / "tatoeba" / f"{split}.tsv.xz").read_bytes())
        lines += [part for line in data.decode("utf-8").removesuffix("\n").split("\n") for part in line.split("\t")[:2]]
    return lines


def where() -> dict[str, Any]:
    """Machine, Python and the versions of every library compared."""
    versions = {}
    for name in ("regex", *PEERS):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {**machine(), "cpus of this process": available_cpus(), **versions}


def peak_megabytes() -> float:
    """The peak memory of this program."""
    return (peak_memory() or 0) / 1e6


class Report:
    """Prints each line at once, and keeps all of them to write at the end."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.values: dict[str, Any] = {"where": where()}
        for name, value in self.values["where"].items():
            self(f"{name}: {value}")
        self("")

    def __call__(self, line: str) -> None:
        """Print one line."""
        self.lines.append(line)
        print(line, flush=True)

    def write(self, path: str | None) -> None:
        """Write the lines to PATH.txt and the values to PATH.json; do nothing without a path."""
        if path is not None:
            Path(path + ".txt").write_text("\n".join(self.lines) + "\n", encoding="utf-8")
            Path(path + ".json").write_text(json.dumps(self.values, indent=1) + "\n", encoding="utf-8")
