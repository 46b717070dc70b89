"""The tensors of a pytorch_model.bin, read without PyTorch and without running anything that the file says.

Such a file is a zip archive (PyTorch 1.6 and newer): a pickle that names and shapes the tensors, and their numbers.

    NAME/data.pkl   {tensor name: _rebuild_tensor_v2(storage key, offset, shape, strides, ...)}
    NAME/data/0     the numbers of storage 0, raw

A pickle is a program, and the usual way to open one runs it. Here it meets an unpickler that knows four names and
refuses all others: the dictionary, the function that shapes a tensor (ours, in place of PyTorch's), and marks for the
types of storages. So a file that would do anything else is an error before it does anything.
"""

import math
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.errors import InputError

STORAGES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "BFloat16Storage": "bfloat16",
}
OFFICIAL = "download it again, or convert it with transformers' save_pretrained"


def load_torch_weights(path: Path) -> dict[str, Array]:
    """The named tensors as host arrays; bfloat16 as float32, which holds it exactly.

    Raises InputError, naming the file and the remedy, for anything but tensors in a whole archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            [index] = [name for name in archive.namelist() if name.endswith("/data.pkl") or name == "data.pkl"]
            folder = index.removesuffix("data.pkl")

            def numbers(key: str, dtype: str) -> Array:
                content = archive.read(f"{folder}data/{key}")
                if dtype != "bfloat16":
                    return np.frombuffer(content, dtype)
                # The upper half of a float32.
                return (np.frombuffer(content, "<u2").astype("<u4") << 16).view("<f4")

            with archive.open(index) as file:
                tensors = _TensorUnpickler(file, numbers).load()
    except zipfile.BadZipFile:
        raise InputError(f"{path}: is damaged, or older than PyTorch 1.6: {OFFICIAL}") from None
    # What a damaged pickle raises: it is a program of its own.
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        EOFError,
        pickle.PickleError,
    ) as error:
        raise InputError(f"{path}: is not a file of PyTorch tensors alone ({error}): {OFFICIAL}") from None
    if not isinstance(tensors, dict) or not all(isinstance(value, np.ndarray) for value in tensors.values()):
        raise InputError(f"{path}: holds something else than named tensors: {OFFICIAL}")
    return {str(name): value for name, value in tensors.items()}


class _TensorUnpickler(pickle.Unpickler):
    """Knows how to make tensors, and nothing else."""

    def __init__(self, file: Any, numbers: Callable[[str, str], Array]) -> None:
        super().__init__(file)
        self._numbers = numbers

    def find_class(self, module: str, name: str) -> Any:
        """The few names that such a file needs. Raises UnpicklingError for any other."""
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _shaped
        if module == "torch" and name in STORAGES:
            return name
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not allowed")

    def persistent_load(self, saved: Any) -> Array:
        """The numbers of ("storage", type, key, place, count)."""
        kind, storage, key, _, _ = saved
        if kind != "storage":
            raise pickle.UnpicklingError(f"it holds {kind!r}, which is no storage")
        return self._numbers(key, STORAGES[storage])


def _shaped(storage: Array, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> Array:
    """A copy of the part of a storage that is a tensor; strides count elements. Raises ValueError if it ends before."""
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if (
        min(offset, *shape, *strides, 0) < 0
        or math.prod(shape) > storage.size
        or (0 not in shape and last >= storage.size)
    ):
        raise ValueError("a tensor exceeds its storage")
    steps = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps).copy()
