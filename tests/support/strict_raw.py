"""RawModule of the stand-in for CuPy (strict_gpu.py): it cannot run CUDA, and runs a kernel's NumPy twin instead.

It reads the kernel's parameters in the source, and refuses arguments that are not of their types, which a card would
take as they come.
"""

import inspect
import re
from typing import Any

import numpy as np
import strict_gpu
from kernel_signatures import kinds_of, signatures_in
from kernel_twins import TWINS

NUMBERS = {"long long": np.int64, "double": np.float64}  # as the launcher passes them
POINTED = {"double": "d", "long long": "q", "unsigned long long": "Q", "bool": "?"}


class RawModule:
    """The kernels of one source."""

    def __init__(self, code: str, options: tuple[str, ...] = ()) -> None:
        [real] = [match[1] for option in options if (match := re.fullmatch(r"-DREAL=(\w+)", option))]
        self._real = {"float": "f", "double": "d"}[real]
        self._signatures = dict(signatures_in(code))

    def get_function(self, name: str) -> "RawKernel":
        return RawKernel(name, kinds_of(self._signatures[name]), self._real)


class RawKernel:
    """One kernel: called, it writes what a card would write."""

    def __init__(self, name: str, kinds: list[tuple[str, str]], real: str) -> None:
        self._name, self._kinds, self._real = name, kinds, real
        self.max_dynamic_shared_size_bytes = 0

    def __call__(self, grid: tuple[int, ...], block: tuple[int, ...], args: tuple[Any, ...], *, shared_mem: int = 0):
        strict_gpu.count_launch()
        assert len(args) == len(self._kinds), f"{self._name}: {len(args)} arguments for {len(self._kinds)}"
        given = [self._argument(*kind, argument) for kind, argument in zip(self._kinds, args, strict=True)]
        twin = TWINS[self._name]
        known = {"real": self._real} if "real" in inspect.signature(twin).parameters else {}
        with np.errstate(all="ignore"):
            twin(*given, **known)

    def _argument(self, kind: str, pointer: str, value: Any) -> Any:
        """What the twin gets: a NumPy array or None, a Python number, or a struct as an array of one element."""
        if pointer and isinstance(value, strict_gpu.ndarray):
            assert value.dtype == {**POINTED, "real": self._real}[kind], f"{self._name}: {value.dtype} for {kind} *"
            return value._host
        if pointer:
            assert isinstance(value, np.int64), f"{self._name}: {type(value).__name__} for a pointer"
            assert value == 0, f"{self._name}: an address made of a number"
            return None
        if kind in NUMBERS:
            assert type(value) is NUMBERS[kind], f"{self._name}: {type(value).__name__} for {kind}"
            return value.item()
        assert isinstance(value, np.ndarray), f"{self._name}: {type(value).__name__} for {kind}"
        assert value.size == 1
        return value
