"""Twins: on a GPU another function takes the place of a layer function.

A layer file holds the textbook and knows nothing of twins. The two sides are joined like this:

- `layers/__init__.py` calls `give_way` for each layer file when the package is imported. From then on a public function
  of that file inspects its arrays: NumPy arrays, and complex ones of any kind, run the function as it is written.
- Real arrays of another module run the twin, if one is registered. The files of backend/kernels/ register theirs:

      @twin_of(layer_norm.layer_norm_forward)
      def layer_norm_forward(x, parameters, *, epsilon): ...

  They are imported when the first such array arrives.

A forward and its backward get twins as a pair, so a cache returns to the side that made it. The textbook stays callable
on any array: `layer_norm_forward.reference(x, parameters)`.
"""

from collections.abc import Callable, Iterable
from functools import cached_property, update_wrapper
from importlib import import_module
from types import FunctionType, ModuleType
from typing import Any, TypeVar

import numpy as np

Function = TypeVar("Function", bound=Callable[..., Any])

_twins: dict[Callable[..., Any], Callable[..., Any]] = {}  # by layer function


class Twinned:
    """A layer function that gives way to its twin for real arrays on a GPU."""

    def __init__(self, reference: FunctionType) -> None:
        self.reference: Callable[..., Any] = reference
        update_wrapper(self, reference)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], np.ndarray) and args[0].dtype.kind == "f":  # the fast path on a CPU
            return self.reference(*args, **kwargs)
        deciding = _first_real_or_complex((*args, *kwargs.values()))
        if deciding is None or isinstance(deciding, np.ndarray) or deciding.dtype.kind == "c":
            return self.reference(*args, **kwargs)
        return self.twin(*args, **kwargs)

    @cached_property
    def twin(self) -> Callable[..., Any]:
        """The registered function, or the reference where there is none; looked up once, at the first GPU array."""
        import_module("numpy_transformer.backend.kernels")  # registers all
        return _twins.get(self.__wrapped__, self.reference)  # type: ignore[attr-defined]


def give_way(module: ModuleType) -> None:
    """Every public function of a layer file gives way to its twin from now on."""
    for name, value in list(vars(module).items()):
        if isinstance(value, FunctionType) and value.__module__ == module.__name__ and not name.startswith("_"):
            setattr(module, name, Twinned(value))


def twin_of(layer_function: Callable[..., Any]) -> Callable[[Function], Function]:
    """Decorates the function that takes the place of `layer_function` for real arrays on a GPU."""

    def register(twin: Function) -> Function:
        _twins[layer_function.__wrapped__] = twin  # type: ignore[attr-defined]
        return twin

    return register


def textbook(layer_function: Function) -> Function:
    """The function as written in its layer file, whatever the array."""
    return layer_function.reference  # type: ignore[attr-defined]


def registered() -> dict[Callable[..., Any], Callable[..., Any]]:
    """All twins by layer function."""
    import_module("numpy_transformer.backend.kernels")
    return dict(_twins)


def _first_real_or_complex(arguments: Iterable[Any]) -> Any:
    """The first array of floating-point numbers, also inside tuples; None if there is none. Ids are ignored."""
    for argument in arguments:
        if isinstance(argument, tuple):
            argument = _first_real_or_complex(argument)
        if argument is not None and getattr(getattr(argument, "dtype", None), "kind", "") in ("f", "c"):
            return argument
    return None
