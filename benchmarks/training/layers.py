"""Where the time of our training step goes: each layer's own time, with its matrix products separate.

During the measurement, a clock wraps every layer function. A function's own time excludes that of the functions it
calls, so that the rows of the table add up to the step. There is one worker, hence one thread.
"""

import importlib
import pkgutil
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy_transformer.layers
from numpy_transformer.backend.dropout_masks import DropoutMasks
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import Workers


class Clocks:
    """Own times by row of the table, in seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._running: list[list[Any]] = []  # [row, seconds of the functions it called]

    def timed(self, function: Callable[..., Any], row: str) -> Callable[..., Any]:
        """`function`, with its own time added to `row`."""

        def call(*args: Any, **kwargs: Any) -> Any:
            # A product counts for the layer that asked for it.
            name = f"{self._running[-1][0]}: matrix products" if row == "matmul" and self._running else row
            self._running.append([name, 0.0])
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                seconds = time.perf_counter() - start
                _, inside = self._running.pop()
                self.seconds[name] += seconds - inside
                if self._running:
                    self._running[-1][1] += seconds

        return call


@contextmanager
def clocks_installed() -> Iterator[Clocks]:
    """Clocks around every layer function, the drawing of dropout masks, the sum of gradients and Adam."""
    clocks = Clocks()
    places: list[tuple[Any, str, Any, str]] = [
        (DropoutMasks, "next_mask", DropoutMasks.next_mask, "dropout masks"),
        (Adam, "update_slice", Adam.update_slice, "Adam"),
        (Workers, "_gradient_norm", Workers._gradient_norm, "gradient norm"),
    ]
    layers = [info.name for info in pkgutil.iter_modules(numpy_transformer.layers.__path__)]
    modules = {name: importlib.import_module(f"numpy_transformer.layers.{name}") for name in layers}
    functions = {
        id(value): name.replace("_", " ")
        for name, module in modules.items()
        for attribute, value in vars(module).items()
        if callable(value) and value.__module__ == module.__name__ and not isinstance(value, type)
        and attribute not in ("array_module", "split_heads")
    }  # fmt: skip
    for owner in list(sys.modules.values()):
        if getattr(owner, "__name__", "").startswith("numpy_transformer"):
            places += [(owner, n, v, functions[id(v)]) for n, v in vars(owner).items() if id(v) in functions]
    for owner, name, function, row in places:
        setattr(owner, name, clocks.timed(function, row))
    try:
        yield clocks
    finally:
        for owner, name, function, _ in places:
            setattr(owner, name, function)


def layer_times(step: Callable[[], object], *, seconds: float) -> dict[str, float]:
    """Seconds of one step by row, including the rest of the step; `step` runs in this thread."""
    count, total = 0, 0.0
    with clocks_installed() as clocks:
        step()
        clocks.seconds.clear()
        while total < seconds:
            start = time.perf_counter()
            step()
            total += time.perf_counter() - start
            count += 1
    rows = {row: spent / count for row, spent in clocks.seconds.items()}
    rows["everything else"] = total / count - sum(rows.values())
    return dict(sorted(rows.items(), key=lambda item: -item[1]))
