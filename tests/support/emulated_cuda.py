"""Execute the CUDA kernels on the CPU: g++ compiles the source of each after cuda_on_cpu.h.

The threads of the card take turns, with barriers and shuffles. That reveals wrong indices, wrong tails and wrong
mathematics in the kernel's own source. A load or store that is not aligned, or a barrier that only some threads reach,
ends the program with a message. A missing barrier makes the result depend on which thread goes first, so both orders
are tried. Arrays are copied between guards: a write past an end is detected, and a read there gives NaN.
"""

import atexit
import ctypes
import hashlib
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
from guarded_memory import Guarded, arrays_of
from kernel_signatures import kinds_of, signatures_in

from numpy_transformer.backend.kernels.launcher import C_NAMES, Kernel, source
from numpy_transformer.backend.kernels.structs import Struct

FOLDER = "EMULATED_CUDA_FOLDER"  # of the environment
FLAGS = ("-std=c++20", "-O1", "-fPIC", "-pthread", "-fsanitize=alignment", "-fno-sanitize-recover=alignment")
SHIM = Path(__file__).parent / "cuda_on_cpu.h"
NUMBERS = {"double": float, "long long": int}
DYNAMIC = re.compile(r"extern __shared__ (\w+) (\w+)\[\];")


def signatures(file: str) -> list[tuple[str, str]]:
    """(name, parameters) of each kernel of a file."""
    return signatures_in(source(file))


def check_arguments(kernel: Kernel, dtype: str, arguments: tuple) -> None:
    """Raises AssertionError unless number and kinds of the arguments are those of the kernel's parameters.

    Neither a card nor ctypes would report it.
    """
    parameters = kinds_of(dict(signatures(kernel.file))[kernel.name])
    assert len(arguments) == len(parameters), f"{kernel.name}: {len(arguments)} arguments for {len(parameters)}"
    dtypes = {"real": np.dtype(dtype), "double": np.dtype("d"), "long long": np.dtype("int64"), "bool": np.dtype("?")}
    for (kind, pointer), argument in zip(parameters, arguments, strict=True):
        if isinstance(argument, Struct):
            size = getattr(compiled(kernel.file, dtype), f"size_of_{kind}")()
            fits = argument.kind.name == kind and argument.kind.layout(dtype).itemsize == size
        elif pointer:
            fits = argument is None or (isinstance(argument, np.ndarray) and argument.dtype == dtypes[kind])
        else:
            fits = type(argument) is NUMBERS.get(kind)
        assert fits, f"{kernel.name}: {type(argument).__name__} for {kind} {pointer}"


def run_emulated(
    kernel: Kernel, dtype: str, grid: tuple[int, ...], block: int, arguments: tuple, shared: int = 0
) -> None:
    """Runs the kernel on NumPy arrays, the last thread first and then, on the same arrays, the first one first.

    Raises AssertionError if the two differ in one bit, if the kernel writes outside of the arrays, or if an argument
    and its parameter are of different kinds.
    """
    check_arguments(kernel, dtype, arguments)
    run = getattr(compiled(kernel.file, dtype), f"run_{kernel.name}")
    sizes = [ctypes.c_uint(n) for n in (*(*grid, 1)[:2], block, shared)]
    guarded = Guarded(arrays_of(arguments))

    def copied(argument):
        if isinstance(argument, Struct):
            return argument.mapped(copied)
        return guarded.copy_of(argument) if isinstance(argument, np.ndarray) else argument

    arguments = tuple(map(copied, arguments))
    arrays = arrays_of(arguments)
    passed = [a.packed(dtype, lambda array: array.ctypes.data) if isinstance(a, Struct) else a for a in arguments]
    before = [array.copy() for array in arrays]
    run(*sizes, ctypes.c_bool(True), *map(_c, passed))
    results = [array.tobytes() for array in arrays]
    for array, values in zip(arrays, before, strict=True):
        array[...] = values
    run(*sizes, ctypes.c_bool(False), *map(_c, passed))
    for number, (array, result) in enumerate(zip(arrays, results, strict=True), 1):
        assert array.tobytes() == result, f"{kernel.name}: array {number} depends on the order of the threads"
    guarded.give_back(kernel.name)


def _c(argument):
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, np.ndarray):
        assert argument.flags.c_contiguous or argument.strides[-1] == argument.itemsize  # rows may lie apart
        return ctypes.c_void_p(argument.ctypes.data)
    return ctypes.c_longlong(argument) if isinstance(argument, int) else ctypes.c_double(argument)


def library_folder() -> Path:
    """Where this run of the tests keeps what it compiled, also for the processes that it forks."""
    if FOLDER not in os.environ:
        os.environ[FOLDER] = mkdtemp(prefix="emulated-cuda-")
        atexit.register(shutil.rmtree, os.environ[FOLDER], ignore_errors=True)
    return Path(os.environ[FOLDER])


@cache
def compiled(file: str, dtype: str) -> ctypes.CDLL:
    """A library of the file's kernels, with a function run_NAME for each; each source is compiled once in a run."""
    text, flags = text_of(file), [*FLAGS, f"-DREAL={C_NAMES[dtype]}"]
    name = hashlib.sha256("\n".join([text, *flags]).encode()).hexdigest()
    library = library_folder() / f"{name}.so"
    if not library.exists():
        folder = Path(mkdtemp(dir=library_folder()))
        (folder / "kernel.cpp").write_text(text)
        subprocess.run(["g++", *flags, "-c", "kernel.cpp"], cwd=folder, check=True)
        subprocess.run(["g++", "-shared", "-pthread", "kernel.o", "-o", "kernel.so"], cwd=folder, check=True)
        (folder / "kernel.so").rename(library)
    return ctypes.CDLL(str(library))


def text_of(file: str) -> str:
    """The shim, the kernel file, and for each kernel a function that runs it."""
    text = [SHIM.read_text(), source(file)]
    kinds = {kind for _, parameters in signatures(file) for kind, pointer in kinds_of(parameters) if not pointer}
    structs = kinds - NUMBERS.keys()
    text += [f'extern "C" unsigned size_of_{name}() {{ return sizeof({name}); }}' for name in sorted(structs)]
    for name, parameters in signatures(file):
        taken, given = [], []  # a struct comes as its address
        for parameter, (kind, pointer) in zip(parameters.split(","), kinds_of(parameters), strict=True):
            called = re.findall(r"\w+", parameter)[-1]
            by_value = not pointer and kind in structs
            taken.append(f"const {kind} *{called}" if by_value else parameter)
            given.append(f"*{called}" if by_value else called)
        launch = "unsigned grid_x, unsigned grid_y, unsigned threads, unsigned shared, bool backwards"
        call = f"run(grid_x, grid_y, threads, shared, backwards, [=] {{ {name}({', '.join(given)}); }})"
        text.append(f'extern "C" void run_{name}({launch}, {", ".join(taken)}) {{ {call}; }}')
    return DYNAMIC.sub(r"\1 *const \2 = (\1 *)dynamic_shared;", "\n".join(text))
