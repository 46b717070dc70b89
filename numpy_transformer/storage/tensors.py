"""Tensors and their metadata in one safetensors file, with a digest that proves them intact.

Any safetensors reader opens such a file (https://github.com/huggingface/safetensors). Its own metadata have one entry,
"numpy_transformer", a JSON object:

    {"metadata": {name: text, ...}, "sha256": of the metadata and of every tensor's name, dtype, shape and bytes}

There is only one entry because the library writes several in random order, and equal content must give equal files.
"""

import hashlib
import json
import mmap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from numpy_transformer.backend.arrays import Array
from numpy_transformer.errors import InputError
from numpy_transformer.storage.atomic import atomic_write

ENTRY = "numpy_transformer"


def save_tensors(path: str | Path, tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write named host arrays of any shape, and texts, to a file that appears complete or not at all.

    The file depends only on its content: the same tensors and metadata give the same bytes.

    Raises InputError if the file cannot be written, TypeError for a dtype unknown to safetensors or metadata that are
    not text, ValueError for the reserved tensor name "__metadata__".
    """
    if "__metadata__" in tensors:
        raise ValueError('no tensor may be named "__metadata__"')
    for name, text in metadata.items():
        if not isinstance(text, str):
            raise TypeError(f"metadata {name!r} must be text, not {type(text).__name__}")
    # The library takes the bytes in memory order.
    arrays = {name: np.asarray(x, dtype=x.dtype.newbyteorder("<"), order="C") for name, x in tensors.items()}
    entry = {"metadata": dict(metadata), "sha256": _digest(arrays, metadata)}
    try:
        content = save(arrays, {ENTRY: json.dumps(entry, sort_keys=True)})
    except SafetensorError as error:
        raise TypeError(f"a checkpoint cannot hold these tensors: {error}") from error
    with atomic_write(path) as file:
        file.write(content)


def load_tensors(path: str | Path) -> tuple[dict[str, Array], dict[str, str]]:
    """Read what `save_tensors` wrote: (tensors, metadata). The arrays are writable.

    Raises InputError, naming the file and the remedy, if it is missing, is not such a file, or differs from what was
    saved: every changed bit and every cut is noticed.
    """
    tensors, metadata = map_tensors(path)
    return {name: tensor.copy() for name, tensor in tensors.items()}, metadata


def map_tensors(path: str | Path) -> tuple[dict[str, Array], dict[str, str]]:
    """`load_tensors` without a copy: the arrays are the file itself, read-only, for immediate use.

    If the file is later overwritten in place, rather than replaced, the arrays change with it.
    """
    with _open(path) as (_, entry):
        tensors = _tensors_in_place(path)
        if _digest(tensors, entry["metadata"]) != entry["sha256"]:
            raise ValueError("the digest differs")
    return tensors, entry["metadata"]


def read_metadata(path: str | Path) -> dict[str, str]:
    """Read only the metadata of what `save_tensors` wrote, in time that does not grow with the tensors.

    It does not read the tensors, so it cannot check the digest; `load_tensors` does.

    Raises InputError if the file is missing or its header cannot be read.
    """
    with _open(path) as (_, entry):
        return entry["metadata"]


def _tensors_in_place(path: str | Path) -> dict[str, Array]:
    """Views into the file, already checked by the library: the header's length in 8 bytes; the header; the data."""
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    data = 8 + int.from_bytes(mapped[:8], "little")
    header = json.loads(mapped[8:data])
    header.pop("__metadata__")
    return {
        name: np.ndarray(tensor["shape"], _dtype(tensor["dtype"]), mapped, data + tensor["data_offsets"][0])
        for name, tensor in header.items()
    }


def _dtype(name: str) -> np.dtype:
    """NumPy's dtype for the format's name of it: F32, I64, BOOL. Raises KeyError for one that NumPy lacks."""
    if name == "BOOL":
        return np.dtype(bool)
    kind = {"F": "f", "I": "i", "U": "u", "C": "c"}[name[0]]
    return np.dtype(f"<{kind}{int(name[1:]) // 8}")


@contextmanager
def _open(path: str | Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """The opened file and our entry; any error in either, here or in the block, becomes an InputError."""
    try:
        with safe_open(path, framework="numpy") as file:
            entry = json.loads((file.metadata() or {})[ENTRY])
            if not all(isinstance(text, str) for text in entry["metadata"].values()):
                raise ValueError("metadata that are not text")
            yield file, entry
    except FileNotFoundError:
        raise InputError(f"{path}: no such checkpoint: check the name, or train a model first") from None
    except OSError as error:
        reason = "is a folder" if Path(path).is_dir() else f"cannot be read ({error})"
        raise InputError(f"{path}: {reason}: name a readable checkpoint file") from error
    # What safetensors, its NumPy half and json raise for an invalid header.
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{path}: is damaged, or not a checkpoint of this program: copy it again, or use another checkpoint"
        ) from error


def _digest(tensors: Mapping[str, Array], metadata: Mapping[str, str]) -> str:
    names = sorted(tensors)
    layout = [(name, tensors[name].dtype.str, tensors[name].shape) for name in names]
    digest = hashlib.sha256(json.dumps([dict(metadata), layout], sort_keys=True).encode("ascii"))
    for name in names:
        digest.update(tensors[name].reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
