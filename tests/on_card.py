"""A kernel launch of the stand-in, carried out on a real card: its arrays go over, the kernel runs, and they come back.

So every test of a kernel that runs emulated runs on a card too, with the same odd sizes and addresses.
"""

import ctypes
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from numpy_transformer.backend import device_module
from numpy_transformer.errors import InputError
from numpy_transformer.layers.kernels.launcher import Kernel


def card() -> ModuleType:
    """CuPy; where it finds no card the test is skipped, with the reason."""
    try:
        return device_module("gpu")
    except InputError as error:
        pytest.skip(str(error))


def run_on_card(
    cupy: ModuleType,
    launch: Callable[..., None],
    kernel: Kernel,
    dtype: str,
    grid: tuple[int, ...],
    block: int,
    arguments: tuple[Any, ...],
) -> None:
    """Runs the kernel on NumPy arrays with `launch`, the launcher's own method."""
    arrays = [a for a in arguments if isinstance(a, np.ndarray)]
    memory = {_span(a): _bytes(*_span(a)) for a in arrays}  # the same memory twice stays the same memory
    placed = {span: _placed(cupy, host, span[0] % 16) for span, host in memory.items()}

    def argument(a: Any) -> Any:
        if not isinstance(a, np.ndarray):
            return a
        return cupy.lib.stride_tricks.as_strided(placed[_span(a)].view(a.dtype), a.shape, a.strides)

    launch(kernel, cupy.empty(0, dtype=dtype), grid, block, *map(argument, arguments))
    for span, host in memory.items():
        host[:] = placed[span].get()


def _span(array: np.ndarray) -> tuple[int, int]:
    """(address, bytes) from the first number to the last, gaps between rows included."""
    reach = sum((n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True))
    return array.ctypes.data, reach + array.itemsize if array.size else 0


def _bytes(address: int, size: int) -> np.ndarray:
    return np.ctypeslib.as_array((ctypes.c_ubyte * size).from_address(address))


def _placed(cupy: ModuleType, host: np.ndarray, offset: int) -> Any:
    """A copy on the card, `offset` bytes behind a multiple of 16, where it stood on the host."""
    device = cupy.empty(offset + host.size, dtype="uint8")[offset:]
    device.set(host)
    return device
