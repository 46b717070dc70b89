"""Tensors and their metadata in one file: plain safetensors, with a digest that proves the file whole.

    8 bytes     length of the header, little-endian
    header      JSON: {"__metadata__": {"sha256": ..., ...}, name: {"dtype", "shape", "data_offsets"}, ...}
    the rest    the tensors' bytes, little-endian, C order

Any safetensors reader opens such a file (https://github.com/huggingface/safetensors#format). We write the
format ourselves for what the library's NumPy writer leaves open: equal content gives an equal file (its
metadata come in random order), and tensors need not be contiguous but are not copied where they are.

The digest is the SHA-256 of the whole file, taken with its own 64 digits set to "0". The "sha256" entry comes
first, so it always stands at the same place. No bit of the file can change unnoticed, and nothing is parsed
before it has been proved whole.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from numpy_transformer.atomic import atomic_write
from numpy_transformer.errors import InputError

_DTYPES: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U64": np.dtype("<u8"),
    "U32": np.dtype("<u4"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_DTYPE_NAMES = {dtype: name for name, dtype in _DTYPES.items()}

_LENGTH_BYTES = 8
_HEADER_LIMIT = 100_000_000  # bytes; the format's own limit
_NO_DIGEST = b"0" * 64
_HEADER_START = b'{"__metadata__":{"sha256":"'
_DIGEST_START = _LENGTH_BYTES + len(_HEADER_START)
_DIGEST_END = _DIGEST_START + len(_NO_DIGEST)


def save_tensors(path: str | Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write named host arrays of any shape and texts to a file that is either whole or not there.

    The file is a function of its content alone: the same tensors and metadata give the same bytes.

    Raises InputError when the file cannot be written, TypeError for a dtype safetensors does not know or
    metadata that are not text, ValueError for the reserved names "__metadata__" (of a tensor) and "sha256"
    (of the metadata).
    """
    if "__metadata__" in tensors or "sha256" in metadata:
        raise ValueError('no tensor may be named "__metadata__" and no metadata "sha256"')
    for name, text in metadata.items():
        if not isinstance(text, str):
            raise TypeError(f"metadata {name!r} must be text, not {type(text).__name__}")

    arrays = {name: _little_endian(name, tensor) for name, tensor in tensors.items()}
    # The widest types first: every tensor then starts at a multiple of its item size.
    names = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))
    header: dict[str, Any] = {
        "__metadata__": {"sha256": _NO_DIGEST.decode(), **{name: metadata[name] for name in sorted(metadata)}}
    }
    end = 0
    for name in names:
        start, end = end, end + arrays[name].nbytes
        header[name] = {
            "dtype": _DTYPE_NAMES[arrays[name].dtype],
            "shape": list(arrays[name].shape),
            "data_offsets": [start, end],
        }
    header_bytes = json.dumps(header, separators=(",", ":")).encode("ascii")
    header_bytes += b" " * (-len(header_bytes) % 8)

    digest = hashlib.sha256()
    with atomic_write(path) as file:
        for part in (len(header_bytes).to_bytes(_LENGTH_BYTES, "little"), header_bytes):
            digest.update(part)
            file.write(part)
        for name in names:
            data = np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data
            digest.update(data)
            file.write(data)
        file.seek(_DIGEST_START)
        file.write(digest.hexdigest().encode("ascii"))


def load_tensors(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read what `save_tensors` wrote: (tensors, metadata). The arrays are writable views of one buffer.

    Raises InputError, naming the file and the remedy, when it is missing, is no such file, or is not whole:
    a single changed bit or a cut is always noticed.
    """
    try:
        with open(path, "rb") as file:
            content = np.fromfile(file, np.uint8)
    except OSError as error:
        raise _unreadable(path, error) from error
    _check_start(path, content[:_DIGEST_END].tobytes())
    digest = hashlib.sha256(content[:_DIGEST_START].data)
    digest.update(_NO_DIGEST)
    digest.update(content[_DIGEST_END:].data)
    if digest.hexdigest().encode("ascii") != content[_DIGEST_START:_DIGEST_END].tobytes():
        raise _damaged(path)

    data_start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES].tobytes(), "little")
    specifications, metadata = _parse_header(path, content[_LENGTH_BYTES:data_start].tobytes())
    data = content[data_start:]
    tensors: dict[str, np.ndarray] = {}
    try:
        for name, specification in specifications.items():
            start, end = specification["data_offsets"]
            dtype = _DTYPES[specification["dtype"]]
            tensors[name] = data[start:end].view(dtype).reshape(specification["shape"])
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _damaged(path) from error
    return tensors, metadata


def read_metadata(path: str | Path) -> dict[str, str]:
    """Read only the metadata of what `save_tensors` wrote, in time that does not grow with the tensors.

    The tensors are not looked at, so the digest is not checked: `load_tensors` does that.

    Raises InputError when the file is missing or its header cannot be read.
    """
    try:
        with open(path, "rb") as file:
            start = file.read(_DIGEST_END)
            _check_start(path, start)
            length = int.from_bytes(start[:_LENGTH_BYTES], "little")
            if length > _HEADER_LIMIT:
                raise _damaged(path)
            file.seek(_LENGTH_BYTES)
            header = file.read(length)
    except OSError as error:
        raise _unreadable(path, error) from error
    return _parse_header(path, header)[1]


def _little_endian(name: str, tensor: np.ndarray) -> np.ndarray:
    array = np.asarray(tensor)
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _DTYPE_NAMES:
        raise TypeError(f"tensor {name!r} has dtype {array.dtype}, which a checkpoint cannot hold")
    return array.astype(dtype, copy=False)


def _parse_header(path: str | Path, header: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """Split a header into the tensors' specifications and the metadata without the digest."""
    try:
        specifications = json.loads(header)
        metadata = specifications.pop("__metadata__")
        del metadata["sha256"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path) from error
    if not all(isinstance(text, str) for text in metadata.values()):
        raise _damaged(path)
    return specifications, metadata


def _check_start(path: str | Path, start: bytes) -> None:
    if len(start) < _DIGEST_END or start[_LENGTH_BYTES:_DIGEST_START] != _HEADER_START:
        raise InputError(
            f"{path}: is not a checkpoint of this program, or only the beginning of one: "
            "give a file that the trainer wrote, or copy it again"
        )


def _damaged(path: str | Path) -> InputError:
    return InputError(
        f"{path}: is damaged (its content does not match its SHA-256 digest): "
        "copy it again, or delete it and use another checkpoint"
    )


def _unreadable(path: str | Path, error: OSError) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{path}: no such checkpoint: check the name, or train a model first")
    if isinstance(error, IsADirectoryError):
        return InputError(f"{path}: is a folder: name a checkpoint file in it")
    return InputError(f"{path}: cannot be read ({error.strerror or error}): give a readable checkpoint file")
