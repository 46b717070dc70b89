"""What the folders of Hugging Face's transformers have in common: config.json, and weights in one file or several."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.errors import InputError
from numpy_transformer.storage.atomic import atomic_write
from numpy_transformer.storage.text_files import read_json


def model_type(folder: Path) -> str | None:
    """What the folder's config.json says its model is; None if it says nothing."""
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) else None


def read_weights(folder: Path, *, prefix: str) -> dict[str, Array]:
    """All tensors in float32, their names without `prefix`: model.safetensors, or those that an index names.

    Raises InputError naming the file and the remedy; pytorch_model.bin is not read, since a pickle may run any program.
    """
    index = folder / "model.safetensors.index.json"
    names = ["model.safetensors"]
    if index.is_file():
        found = read_json(index).get("weight_map")
        if not isinstance(found, dict) or not all(isinstance(name, str) for name in found.values()):
            raise InputError(f"{index}: has no weight_map: download it again")
        names = sorted(set(found.values()))
    tensors: dict[str, Array] = {}
    for name in names:
        if Path(name).name != name:
            raise InputError(f"{index}: names a file outside its folder, {name!r}: download it again")
        tensors |= _read_file(folder / name)
    return {name.removeprefix(prefix): values for name, values in tensors.items()}


def _read_file(path: Path) -> dict[str, Array]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not path.is_file():
        raise InputError(
            f"{path}: no such file; a pytorch_model.bin is not read, since a pickle may run any program: convert it "
            "with transformers' save_pretrained"
        )
    try:
        return {name: np.asarray(values, dtype=np.float32) for name, values in load_file(path).items()}
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: is damaged, or not a safetensors file ({error}): download it again") from None


def write_folder(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Array]) -> None:
    """config.json and model.safetensors, as transformers reads them."""
    from safetensors.numpy import save

    with atomic_write(folder / "config.json") as file:
        file.write((json.dumps(config, indent=2) + "\n").encode())
    arrays = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
    with atomic_write(folder / "model.safetensors") as file:
        file.write(save(arrays, {"format": "pt"}))


class TensorNames:
    """Their tensors, taken one by one; what is missing or of another size is named."""

    def __init__(self, tensors: Mapping[str, Array], folder: Path, kind: str) -> None:
        self.tensors, self.folder, self.kind = tensors, folder, kind

    def take(self, name: str) -> Array:
        """The tensor of this name. Raises InputError if there is none."""
        if name not in self.tensors:
            raise InputError(f"{self.folder}: its weights have no {name}: it is not a whole {self.kind} model")
        return self.tensors[name]

    def __contains__(self, name: str) -> bool:
        return name in self.tensors


def require(condition: bool, folder: Path, reason: str) -> None:
    """Raises InputError for a configuration that cannot be read here."""
    if not condition:
        raise InputError(f"{folder / 'config.json'}: {reason}: such a model cannot be read")
