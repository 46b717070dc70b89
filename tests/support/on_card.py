"""Run a kernel launch of the stand-in on a real card: copy its arrays over, run the kernel, and copy them back.

So every test of an emulated kernel also runs on a card, with the same odd sizes and addresses.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from guarded_memory import arrays_of, bytes_at, joined, span

from numpy_transformer.backend.arrays import device_module
from numpy_transformer.backend.kernels.launcher import Kernel
from numpy_transformer.backend.kernels.structs import Struct
from numpy_transformer.errors import InputError


def card() -> ModuleType:
    """CuPy; without a card the test is skipped, with the reason."""
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
    shared: int,
) -> None:
    """Runs the kernel on NumPy arrays with `launch`, the launcher's own method."""
    arrays = arrays_of(arguments)
    memory = {place: bytes_at(*place) for place in joined([span(a) for a in arrays])}  # shared memory stays shared
    placed = {place: _placed(cupy, host, place[0] % 16) for place, host in memory.items()}

    def argument(a: Any) -> Any:
        if isinstance(a, Struct):
            return a.mapped(argument)
        if not isinstance(a, np.ndarray):
            return a
        address, size = span(a)
        place = next(place for place in memory if place[0] <= address and address + size <= sum(place))
        start = a.ctypes.data - place[0]
        numbers = placed[place][start : start + (place[1] - start) // a.itemsize * a.itemsize].view(a.dtype)
        return cupy.lib.stride_tricks.as_strided(numbers, a.shape, a.strides)

    launch(kernel, cupy.empty(0, dtype=dtype), grid, block, *map(argument, arguments), shared=shared)
    for place, host in memory.items():
        host[:] = placed[place].get()


def _placed(cupy: ModuleType, host: np.ndarray, offset: int) -> Any:
    """A copy on the card, `offset` bytes after a multiple of 16, as on the host."""
    device = cupy.empty(offset + host.size, dtype="uint8")[offset:]
    device.set(host)
    return device
