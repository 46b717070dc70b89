"""Starts the CUDA kernels of this folder: each is named by its file and its function.

On a card the file is compiled once for each dtype, by NVRTC through CuPy, with common.cuh in front of it; CuPy caches
the result on disk. The launch goes to the current stream; the host does not wait.

A kernel that reads or writes where it must not fails later, at whatever asks the card next. With the environment
variable NUMPY_TRANSFORMER_GPU_DEBUG set, the host waits after each launch and names the kernel that failed, and a
kernel that cannot be compiled prints the compiler's whole log.
"""

import os
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.cupy_advice import how_to_complete, reason_of
from numpy_transformer.backend.kernels.structs import Struct
from numpy_transformer.errors import InputError

FOLDER = Path(__file__).parent
DEBUG = "NUMPY_TRANSFORMER_GPU_DEBUG"
SHARED_UNASKED = 48 * 1024  # bytes of shared memory that a block gets on any card; more only for the asking
C_NAMES = {"f": "float", "d": "double"}
INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.MULTILINE)
Argument: TypeAlias = Array | Struct | float | None
LONGEST_ROW = 8 * 256  # numbers that a block can keep: eight to a thread, and registers for no more such threads


class Kernel(NamedTuple):
    """The __global__ function `name` of FILE.cu."""

    file: str
    name: str

    def launch(self, like: Array, grid: tuple[int, ...], block: int, *arguments: Argument, shared: int = 0) -> None:
        """Runs `grid` blocks of `block` threads, each with `shared` bytes of memory that its threads share.

        Arrays are in the dtype of `like` where they are real, and C-contiguous unless the kernel is told how far apart
        their rows are. A Python int reaches the kernel as long long, a float as double, a Struct by value, None as a
        null pointer. An empty grid does nothing. Raises InputError if the kernel cannot be compiled.
        """
        if 0 in grid:
            return
        xp = array_module(like)
        real = like.dtype.char
        function = _compiled(xp, self.file, self.name, real)
        if shared > SHARED_UNASKED:
            function.max_dynamic_shared_size_bytes = shared
        function(grid, (block,), tuple(_c(argument, real) for argument in arguments), shared_mem=shared)
        if os.environ.get(DEBUG):
            self._wait(xp, grid, block)

    def _wait(self, xp: ModuleType, grid: tuple[int, ...], block: int) -> None:
        try:
            xp.cuda.get_current_stream().synchronize()
        except Exception as error:  # the driver's error, which does not say whose it is
            raise RuntimeError(f"kernel {self.name} of {self.file}.cu, grid {grid}, block {block}: {error}") from error


def source(file: str) -> str:
    """The CUDA text of a kernel file with what it builds on: common.cuh, and the headers that it includes.

    They are inlined because CuPy would not notice a changed include and would run what it compiled before.
    """

    def text(name: str) -> str:
        return (FOLDER / name).read_text(encoding="utf-8")

    return text("common.cuh") + "\n" + INCLUDE.sub(lambda match: text(match[1]), text(f"{file}.cu"))


def options(dtype: str) -> tuple[str, ...]:
    """NVRTC's options, besides the architecture, for a dtype's character code."""
    return ("--std=c++14", f"-DREAL={C_NAMES[dtype]}")


def threads_for(length: int) -> int:
    """Threads of a block that works on a row of `length` numbers: whole warps, about four numbers a thread."""
    return min(256, max(32, -(-length // 128) * 32))


def rows_of_eight(rows: int, length: int, *, threads: int = 128) -> tuple[tuple[int], int, int]:
    """(grid, threads of a block, threads of a row) where each thread works on eight neighbours of a row (rows.cuh).

    A block has about `threads`, more if one row needs more. In rows over LONGEST_ROW a thread takes several.
    """
    groups = min(LONGEST_ROW // 8, max(1, -(-length // 8)))
    lanes = 1 << (groups - 1).bit_length() if groups <= 32 else -(-groups // 32) * 32
    rows_of_block = max(1, threads // lanes)
    return (-(-rows // rows_of_block),), rows_of_block * lanes, lanes


def shared_memory(xp: ModuleType) -> int:
    """Bytes of shared memory that a block of the current card may have at most."""
    return _shared_memory(xp, xp.cuda.Device().id)


@cache
def _shared_memory(xp: ModuleType, device: int) -> int:
    return xp.cuda.Device(device).attributes["MaxSharedMemoryPerBlockOptin"]


def _c(argument: Argument, real: str) -> Any:
    if isinstance(argument, Struct):
        return argument.packed(real, address_of)
    if argument is None:
        return np.int64(0)  # a null pointer; CuPy takes None for a missing argument
    if isinstance(argument, int):
        return np.int64(argument)
    return np.float64(argument) if isinstance(argument, float) else argument


def address_of(array: Any) -> int:
    """Where an array of the card begins."""
    return array.data.ptr


@cache
def module_of(xp: ModuleType, file: str, dtype: str) -> Any:
    """FILE.cu as a module of CuPy for a dtype's character code; compiled when a function is first asked for."""
    return xp.RawModule(code=source(file), options=options(dtype))


@cache
def _compiled(xp: ModuleType, file: str, name: str, dtype: str) -> Any:
    try:
        return module_of(xp, file, dtype).get_function(name)
    except MemoryError:
        raise
    except Exception as error:  # NVRTC, the driver and the file system each have errors of their own
        if os.environ.get(DEBUG):
            print(error, file=sys.stderr)
        raise InputError(
            f"--device gpu: the kernel {name} of {file}.cu cannot be compiled ({reason_of(error)}); {how_to_complete()}"
        ) from error
