"""The array module switch: the same layer code runs on NumPy arrays (CPU) and on CuPy arrays (GPU).

There is no global switch. A layer asks each array which module it belongs to, so a CPU model and a GPU model can live
in one process.
"""

import sys
from functools import cache
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from numpy_transformer.backend.cupy_advice import driver_remedy, how_to_complete, how_to_install, reason_of
from numpy_transformer.errors import InputError

Array: TypeAlias = npt.NDArray[Any]  # a numpy.ndarray, or a cupy.ndarray, which has the same interface


OLDEST_CAPABILITY = 75  # compute capability 7.5


def array_module(x: Array) -> ModuleType:
    """The module whose functions work on `x`: numpy, or cupy for an array that lives on a GPU."""
    return np if isinstance(x, np.ndarray) else sys.modules[type(x).__module__.partition(".")[0]]


def device_module(device: str) -> ModuleType:
    """The array module of a device: numpy for "cpu", cupy for "gpu".

    Raises InputError that says which piece is missing (CuPy, the driver, a card, a card that is new enough, CUDA's
    libraries and headers) and what to do about it.
    """
    if device == "cpu":
        return np
    if device != "gpu":
        raise InputError(f'unknown device {device!r}; it must be "cpu" or "gpu"')
    try:
        import cupy

        runtime = cupy.cuda.runtime
    except MemoryError:
        raise
    except Exception as error:  # libraries of another CUDA, NumPy or Python each have errors of their own
        raise InputError(
            f"--device gpu needs CuPy, which cannot be imported ({reason_of(error)}); {how_to_install()}"
        ) from None
    try:
        count = runtime.getDeviceCount()
        cupy.zeros(1)
    except MemoryError:
        raise
    except Exception as error:
        reason = reason_of(error)
        if "NoDevice" in reason:
            remedy = "no CUDA device is visible: check nvidia-smi and CUDA_VISIBLE_DEVICES"
        elif "InsufficientDriver" in reason:
            remedy = driver_remedy()
        else:
            remedy = "check that nvidia-smi lists a healthy card"
        raise InputError(f"--device gpu found CuPy but cannot use a GPU ({reason}); {remedy}") from None
    if count == 0:
        raise InputError("--device gpu found CuPy but no CUDA device: check nvidia-smi and CUDA_VISIBLE_DEVICES")
    _check_card(cupy)
    return cupy


@cache
def _check_card(cupy: ModuleType) -> None:
    """Raises InputError unless the card is new enough, and CUDA's compiler, headers and cuBLAS work on it."""
    capability = cupy.cuda.Device().compute_capability  # "90" is 9.0
    if int(capability) < OLDEST_CAPABILITY:
        raise InputError(
            f"--device gpu: this card has compute capability {capability[:-1]}.{capability[-1]}; "
            "7.5 (Turing, 2018) is the oldest that is supported: use --device cpu"
        )
    try:
        x = cupy.ones((2, 2), dtype="float32") + 1  # compiled on the spot
        (x @ x).get()  # cuBLAS
    except MemoryError:
        raise
    except Exception as error:  # the loader, the compiler and cuBLAS each have errors of their own
        raise InputError(
            f"--device gpu found a card, but CUDA's libraries or headers do not work ({reason_of(error)}); "
            f"{how_to_complete()}"
        ) from None


def to_host(x: Array) -> Array:
    """`x` as a NumPy array; the same object if it is one already."""
    return x if isinstance(x, np.ndarray) else x.get()


def to_device(x: Array, xp: ModuleType) -> Array:
    """A NumPy array as an array of module `xp`; the same object if it is one already."""
    return xp.asarray(x)


def ids_to_device(xp: ModuleType, *ids: Array) -> list[Array]:
    """Host arrays of integers as arrays of module `xp`: to a GPU as int64, in one transfer.

    The host does not wait. CuPy copies the ids into their own block of pinned memory, and reuses it only when they have
    arrived, so several batches can be in flight.
    """
    if xp is np:
        return list(ids)
    packed = xp.asarray(np.concatenate([array.ravel() for array in ids], dtype="int64", casting="unsafe"))
    ends = np.cumsum([array.size for array in ids]).tolist()
    return [packed[end - array.size : end].reshape(array.shape) for array, end in zip(ids, ends, strict=True)]
