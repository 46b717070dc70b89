"""A small run as train.py does it, in a child; and whether two runs are the same."""

import json
from pathlib import Path
from typing import Any

import small_run

from bpe import TokenizerError
from numpy_transformer.errors import InputError
from numpy_transformer.storage.atomic import atomic_write
from numpy_transformer.storage.tensors import load_tensors
from numpy_transformer.training import reporting
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.translation import translator

CLOCKS = ("seconds", "tokens_per_second")


def quick_curves(records: list[dict[str, Any]], path: Path) -> None:
    """As many bytes as there are records: Matplotlib would take longer than the run."""
    with atomic_write(path) as file:
        file.write(b"\x89PNG" + bytes(len(records)))


def go_on(path: Path, data: Path, **changes: Any) -> int:
    """Begin the run or go on with it, as train.py does; 2 for an error of the user or the system."""
    reporting.draw_curves = quick_curves
    translator.EXTRA_LENGTH = 2  # a model that has learned nothing ends no sentence before its limit
    folder = RunFolder(path)
    try:
        new = not folder.config_file.exists()
        with folder.claimed(new=new):
            trained = small_run.begun(path, data, **changes) if new else small_run.resumed(path)
            return 0 if trained.run() else 128 + (trained.stopped_by or 0)
    except (InputError, TokenizerError) as error:
        print(f"error: {error}")
    except OSError as error:  # run_program says these, if they name the file
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}")
    return 2


def content(path: Path) -> dict[str, Any]:
    """Everything a finished run has, without what depends on the clock. Raises InputError for a damaged file."""
    folder = RunFolder(path)
    files = {file.name: file for file in sorted(folder.checkpoints.glob("*.safetensors"))}
    found: dict[str, Any] = {}
    for name, file in files.items():
        tensors, metadata = load_tensors(file)
        found[name] = {tensor: values.tobytes() for tensor, values in tensors.items()}
        if "progress" in metadata:
            progress = json.loads(metadata["progress"])
            progress.pop("seconds")
            metadata = {**metadata, "progress": progress}
        found[name]["metadata"] = metadata
    found["log"] = [
        {name: value for name, value in record.items() if name not in CLOCKS} for record in folder.read_log()
    ]
    found["lines of the log"] = folder.log_file.read_bytes().count(b"\n")
    found["samples"] = folder.samples_file.read_bytes()
    found["tokenizer"] = folder.read_tokenizer().digest
    found["files"] = sorted(str(file.relative_to(path)) for file in path.rglob("*"))
    return found


def differences(path: Path, whole: dict[str, Any]) -> list[str]:
    """In what a run differs from an uninterrupted one."""
    found = content(path)
    return [name for name in whole.keys() | found.keys() if whole.get(name) != found.get(name)]
