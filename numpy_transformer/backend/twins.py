"""The switch between a layer and its GPU twin: same name, same signature, same cache, found by the type of the array.

    @gpu_twin()
    def layer_norm_forward(x, parameters, *, epsilon=1e-5): ...

NumPy arrays, and complex ones of any kind, run the function below the decorator: the reference, textbook mathematics.
Real arrays of another module run the function of the same name in backend/kernels/, in the file of the same name
(layers/layer_norm.py -> backend/kernels/layer_norm.py). Forward and backward are decorated together, so a cache always
returns to the side it came from. The reference stays callable on any array:

    layer_norm_forward.reference(x, parameters)
"""

from collections.abc import Callable
from functools import cache, update_wrapper
from importlib import import_module
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")


class _Twinned(Generic[P, R]):
    """A layer function that hands real arrays of a GPU to its twin."""

    def __init__(self, reference: Callable[P, R], decides: str | None) -> None:
        self.reference = reference
        self._decides = decides
        update_wrapper(self, reference)
        self._names = reference.__code__.co_varnames[: reference.__code__.co_argcount]

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        x: Any = args[0] if args and self._decides is None else self._deciding_argument(args, kwargs)
        if isinstance(x, np.ndarray) or x.dtype.kind == "c":
            return self.reference(*args, **kwargs)
        return self.twin(*args, **kwargs)

    @property
    def twin(self) -> Callable[P, R]:
        """The fused function, whatever the array."""
        return _twin(self.reference.__module__, self.reference.__name__)

    def _deciding_argument(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._decides is None:
            return args[0] if args else next(iter(kwargs.values()))
        chosen = kwargs[self._decides] if self._decides in kwargs else args[self._names.index(self._decides)]
        return chosen if hasattr(chosen, "dtype") else chosen[0]


@cache
def _twin(module: str, name: str) -> Callable[..., Any]:
    return getattr(import_module(f"numpy_transformer.backend.kernels.{module.rpartition('.')[2]}"), name)


def gpu_twin(*, decides: str | None = None) -> Callable[[Callable[P, R]], _Twinned[P, R]]:
    """Decorates a layer function that has a twin.

    `decides` names the argument whose array decides, by default the first one; of a NamedTuple, its first leaf.
    """

    def decorate(reference: Callable[P, R]) -> _Twinned[P, R]:
        return _Twinned(reference, decides)

    return decorate
