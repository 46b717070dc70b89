"""Arrays as memory: where each one is, and copies between guards that reveal reads and writes past an end."""

import ctypes
from typing import NamedTuple

import numpy as np

from numpy_transformer.backend.kernels.structs import Struct

GUARD = 4096  # bytes on either side
# What guards hold. A signalling NaN becomes another NaN wherever it is computed with, so that is seen as well.
UNTOUCHED = {4: b"\xff\xff\xbf\x7f", 8: b"\xff\xff\xff\xff\xff\xff\xf7\x7f"}  # float32, float64, by size
ALIGNMENT = 64  # a copy lies as its original does, as far as this goes


def arrays_of(arguments: tuple) -> list[np.ndarray]:
    """The arrays among a launch's arguments, also inside structs."""
    found: list[np.ndarray] = []

    def note(value):
        if isinstance(value, Struct):
            value.mapped(note)
        elif isinstance(value, np.ndarray):
            found.append(value)

    for argument in arguments:
        note(argument)
    return found


def span(array: np.ndarray) -> tuple[int, int]:
    """(address, bytes) from the first number to the last in memory, including gaps between rows."""
    if not array.size:
        return array.ctypes.data, 0
    reaches = [(n - 1) * stride for n, stride in zip(array.shape, array.strides, strict=True)]
    before, behind = (sum(reach for reach in reaches if (reach < 0) == negative) for negative in (True, False))
    return array.ctypes.data + before, behind - before + array.itemsize


def bytes_at(address: int, size: int) -> np.ndarray:
    """Memory at an address, as an array of bytes."""
    return np.ctypeslib.as_array((ctypes.c_ubyte * size).from_address(address))


class Region(NamedTuple):
    """Some memory, and its copy between two guards."""

    address: int
    size: int
    copy: np.ndarray
    guard: np.ndarray


class Guarded:
    """Copies of some arrays; those that share memory share it here."""

    def __init__(self, arrays: list[np.ndarray]) -> None:
        words = {span(array)[0]: UNTOUCHED.get(array.itemsize, b"\xff") for array in arrays}
        self._regions = [_region(*place, words[place[0]]) for place in joined([span(array) for array in arrays])]

    def copy_of(self, array: np.ndarray) -> np.ndarray:
        """The array of this shape in the copy."""
        start, size = span(array)
        for region in self._regions:
            if region.address <= start and start + size <= region.address + region.size:
                offset = GUARD + array.ctypes.data - region.address
                return np.ndarray(array.shape, array.dtype, region.copy, offset, array.strides)
        raise LookupError("the array was not copied")

    def give_back(self, name: str) -> None:
        """Copy everything back. Raises AssertionError, with the name, if a guard was overwritten."""
        for address, size, copy, guard in self._regions:
            assert copy[:GUARD].tobytes() == guard.tobytes(), f"{name}: writes before the beginning of an array"
            assert copy[GUARD + size :].tobytes() == guard.tobytes(), f"{name}: writes behind the end of an array"
            bytes_at(address, size)[:] = copy[GUARD : GUARD + size]


def _region(address: int, size: int, word: bytes) -> Region:
    guard = np.frombuffer(word * (GUARD // len(word)), dtype="uint8")
    memory = np.empty(size + 2 * GUARD + ALIGNMENT, dtype="uint8")
    shift = (address - memory.ctypes.data - GUARD) % ALIGNMENT
    copy = memory[shift : shift + size + 2 * GUARD]
    copy[:GUARD], copy[GUARD + size :] = guard, guard
    copy[GUARD : GUARD + size] = bytes_at(address, size)
    return Region(address, size, copy, guard)


def joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that overlap as one, in the order of their addresses."""
    found: list[tuple[int, int]] = []
    for address, size in sorted(spans):
        if found and address < sum(found[-1]):
            first, length = found[-1]
            found[-1] = first, max(length, address + size - first)
        else:
            found.append((address, size))
    return found
