"""What the gradient of any array must be, found without the backward: move one entry in the middle of a forward.

For a number v inside the model, the complex step (gradcheck/oracles.py) gives dL/dv = Im L(v + ih) / h. Here v may be
an entry of any array that a layer computes: the forward runs as always, and as soon as the line that computes the array
has run, ih is added to the entry.

A gradient's name tells whose it is: dscores of an attention's backward belongs to scores of its forward. For an array
that a layer receives, the entry is moved while the layer runs and moved back afterwards, since others may use it too.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.gradcheck.oracles import COMPLEX_STEP
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.seeing.tracing import (
    Assignment,
    Call,
    Tracer,
    assigned,
    names_by_address,
    path_of,
    plan_of,
    tracing,
)


class Spot(NamedTuple):
    """Where a number is moved: an array of one call of a forward, right after a line, or on entry (line None)."""

    function: str
    path: str
    occurrence: int  # among the calls of this function with this path, from 0
    name: str
    line: int | None
    time: int = 0  # among the times that the line assigned this name, from 0


class Probed(NamedTuple):
    """The largest entry of a gradient beside what the oracle finds for it."""

    entry: tuple[int, ...]
    ours: float
    oracle: float


def probe(
    model: Transformer, source: Array, target: Array, steps: Sequence[Assignment]
) -> Iterator[tuple[int, Probed]]:
    """For every step that computes a gradient, its number and what the oracle says.

    `steps` are those of `model.loss_and_gradients(source, target)` in float64 (tracing.py).
    """
    moved = Transformer(model.config, dtype="complex128", initialise=False)
    moved.parameters.flat[...] = model.parameters.flat
    places = places_of(steps)
    for number, place in places.items():
        value = steps[number].value
        index = np.unravel_index(int(abs(value).argmax()), value.shape)
        entry = tuple(int(i) for i in index)
        yield number, Probed(entry, float(value[entry]), _derivative(moved, source, target, place, entry))
    parameters = dict(moved.parameters.named())
    for number, step in enumerate(steps):
        leaf = step.name.partition("gradients.")[2]
        if leaf and not step.call.path.startswith("embedding"):  # three uses of the table add up to its gradient
            view = parameters[f"{step.call.path}.{leaf}"]
            entry = tuple(int(i) for i in np.unravel_index(int(abs(step.value).argmax()), step.value.shape))
            view[entry] += 1j * COMPLEX_STEP
            oracle = _loss(moved, source, target).imag / COMPLEX_STEP
            view[entry] = view[entry].real
            yield number, Probed(entry, float(step.value[entry]), float(oracle))


def _loss(model: Transformer, source: Array, target: Array) -> Any:
    return model.loss(source, target)


def places_of(steps: Sequence[Assignment]) -> dict[int, Spot]:
    """For the gradient that a step computes, the array of the forward that it belongs to."""
    forwards = _calls(steps, "_forward")
    backwards = _calls(steps, "_backward")
    found: dict[int, Spot] = {}
    for (function, path), calls in backwards.items():
        partners = forwards.get((function.replace("_backward", "_forward"), path), [])
        if len(partners) != len(calls):
            continue
        # A backward undoes the latest forward first.
        for occurrence, partner in enumerate(partners):
            call = calls[len(calls) - 1 - occurrence]
            for number, name, line, time in _pairs(steps, call, partner):
                found[number] = Spot(partner.function, path, occurrence, name, line, time)
    return dict(sorted(found.items()))


def _calls(steps: Sequence[Assignment], ending: str) -> dict[tuple[str, str], list[Call]]:
    calls: dict[tuple[str, str], list[Call]] = {}
    for call in {step.call.number: step.call for step in steps if _in_layer(step.call, ending)}.values():
        calls.setdefault((call.function, call.path), []).append(call)
    return {key: sorted(some, key=lambda call: call.number) for key, some in calls.items()}


def _in_layer(call: Call, ending: str) -> bool:
    return ".layers." in call.module and call.function.endswith(ending)


def _pairs(steps: Sequence[Assignment], backward: Call, forward: Call) -> Iterator[tuple[int, str, int | None, int]]:
    """(the step that computes a gradient, the forward's name, its line, the time) for a call and its forward."""
    gradients: dict[str, list[int]] = {}
    for number, step in enumerate(steps):
        if step.call is backward and step.name.startswith("d") and step.name != "dropped":
            gradients.setdefault(step.name, []).append(number)
    for name, numbers in gradients.items():
        first = steps[numbers[0]]
        if first.statement.adds:
            continue  # to what other layers wrote: their gradient is in it, too
        values = [step for step in steps if step.call is forward and step.name == name[1:]]
        values = [step for step in values if step.value.shape == first.value.shape]
        times: Counter[int] = Counter()
        places: list[tuple[int | None, int]] = []
        for step in values:
            places.append((step.statement.line, times[step.statement.line]))
            times[step.statement.line] += 1
        if not places and name[1:] in forward.arguments:
            yield numbers[-1], name[1:], None, 0  # an argument of the forward: its gradient is the last value
        elif len(places) == len(numbers):
            for number, (line, time) in zip(numbers, reversed(places), strict=True):
                yield number, name[1:], line, time


def _derivative(model: Transformer, source: Array, target: Array, place: Spot, entry: tuple[int, ...]) -> float:
    """Im L / h with the entry of the array at `place` moved by ih; nan if the forward never comes there."""
    names = names_by_address(dict(model.parameters.named()))
    moving = _Moving(place, entry, names)
    with tracing(moving.begin):
        loss = _loss(model, source, target)
    return float(loss.imag / COMPLEX_STEP) if moving.moved else float("nan")


class _Moving:
    """A tracer that looks into one call only: the other lines run at full speed."""

    def __init__(self, place: Spot, entry: tuple[int, ...], names: Mapping[tuple[int, int], str]) -> None:
        self.place, self.entry, self.names = place, entry, names
        self.occurrence = 0
        self.moved = False
        self.paths: dict[FrameType, str] = {}

    def begin(self, frame: FrameType, event: str, argument: Any) -> Tracer | None:
        if plan_of(frame.f_code) is None:
            return None
        path = path_of(frame.f_locals.get("parameters"), self.names) or self._path_before(frame)
        self.paths[frame] = path
        if (frame.f_code.co_name, path) != (self.place.function, self.place.path):
            return None
        self.occurrence += 1
        if self.occurrence - 1 != self.place.occurrence:
            return None
        return self._on_entry(frame) if self.place.line is None else self._after_line()

    def _path_before(self, frame: FrameType) -> str:
        back = frame.f_back
        while back is not None and back not in self.paths:
            back = back.f_back
        return self.paths[back] if back is not None else ""

    def _on_entry(self, frame: FrameType) -> Tracer | None:
        value = frame.f_locals.get(self.place.name)
        if not isinstance(value, np.ndarray) or value.dtype.kind != "c" or value.ndim != len(self.entry):
            return None
        value[self.entry] += 1j * COMPLEX_STEP
        self.moved = True

        def until_return(frame: FrameType, event: str, result: Any) -> Tracer:
            if event == "return" and not _overwritten(value, result):
                value[self.entry] -= 1j * COMPLEX_STEP
            return until_return

        return until_return

    def _after_line(self) -> Tracer:
        statement = None
        left = self.place.time

        def follow(frame: FrameType, event: str, result: Any) -> Tracer:
            nonlocal statement, left
            following = (plan_of(frame.f_code) or {}).get(frame.f_lineno) if event == "line" else None
            before, statement = statement, following
            if before is None or following is before or before.line != self.place.line or self.moved:
                return follow
            for name, value in assigned(before, frame, result if event == "return" else None):
                if name == self.place.name:
                    if not left:
                        value[self.entry] += 1j * COMPLEX_STEP
                        self.moved = True
                        break
                    left -= 1
            return follow

        return follow


def _overwritten(value: Array, result: Any) -> bool:
    """Whether a function returned its argument's own memory."""
    first = result[0] if isinstance(result, tuple) and result else result
    return isinstance(first, np.ndarray) and bool(np.may_share_memory(first, value))
