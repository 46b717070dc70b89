"""Structs that kernels take by value: numbers and addresses that belong together, as one argument.

    DROPOUT = StructType("Dropout", key_low="u4", key_high="u4", site="u4", threshold="u4", scale="real")

says what the struct of this name looks like in the CUDA source. A field is a NumPy type; "real", which is the type that
the kernel is compiled for; "pointer", whose value is an array; another StructType; or (another, n), n of those.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from numpy_transformer.backend.arrays import Array

Kind: TypeAlias = "str | StructType | tuple[StructType, int]"


class StructType:
    """A struct's name and fields, in order; called with their values it gives an argument for a launch."""

    def __init__(self, name: str, **fields: Kind) -> None:
        self.name, self.fields = name, fields
        inside = [kind[0] if isinstance(kind, tuple) else kind for kind in fields.values()]
        self.has_pointers: bool = any(
            kind.has_pointers if isinstance(kind, StructType) else kind == "pointer" for kind in inside
        )

    def __call__(self, *values: Any) -> "Struct":
        assert len(values) == len(self.fields)
        return Struct(self, values)

    @cache  # noqa: B019  (there are a handful of types, and they live as long as the program)
    def layout(self, real: str) -> np.dtype[Any]:
        """The struct in memory, in a module compiled for this character code."""

        def dtype(kind: Kind) -> Any:
            if isinstance(kind, tuple):
                return dtype(kind[0]), (kind[1],)
            return (
                kind.layout(real) if isinstance(kind, StructType) else {"real": real, "pointer": "u8"}.get(kind, kind)
            )

        return np.dtype([(name, dtype(kind)) for name, kind in self.fields.items()], align=True)


class Struct:
    """The values of one struct; arrays where the kernel has pointers."""

    def __init__(self, kind: StructType, values: tuple[Any, ...]) -> None:
        self.kind, self.values = kind, values
        self._packed: dict[str, Array] = {}  # of numbers alone, which a launch after this one may have, too

    def mapped(self, function: Callable[[Any], Any]) -> "Struct":
        """The same with function(value) for each number or array, also of the structs inside."""

        def of(value: Any) -> Any:
            if isinstance(value, Struct):
                return value.mapped(function)
            return [one.mapped(function) for one in value] if isinstance(value, list) else function(value)

        return Struct(self.kind, tuple(map(of, self.values)))

    def packed(self, real: str, address: Callable[[Array], int]) -> Array:
        """As CuPy takes it: a NumPy array of one element, which it copies into the launch."""
        if real not in self._packed:
            memory = np.zeros((), self.kind.layout(real))
            for name, value in zip(self.kind.fields, self._plain(address), strict=True):
                if isinstance(value, list):  # of fewer structs than there is room for, perhaps
                    memory[name][: len(value)] = value
                else:
                    memory[name] = value
            if self.kind.has_pointers:
                return memory
            self._packed[real] = memory
        return self._packed[real]

    def _plain(self, address: Callable[[Array], int]) -> tuple[Any, ...]:
        """Tuples of numbers, addresses among them."""
        return tuple(
            value._plain(address)
            if isinstance(value, Struct)
            else [one._plain(address) for one in value]
            if isinstance(value, list)
            else address(value)
            if kind == "pointer"
            else value
            for kind, value in zip(self.kind.fields.values(), self.values, strict=True)
        )
