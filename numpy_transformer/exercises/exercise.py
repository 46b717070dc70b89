"""What an exercise is: a function to write, the calls that try it, and the reference that knows the answers."""

import copy
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

Function = Callable[..., Any]


@dataclass(frozen=True)
class DrawnCall:
    """The arguments of one call, by name. `written` names those that the function must write into."""

    arguments: dict[str, Any]
    written: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Exercise:
    """A function that the learner writes. Its texts stand in english.toml under its name."""

    name: str  # of the function, and of the file
    chapter: str
    minutes: int
    points: int
    reference: Function  # with the learner's signature
    calls: Callable[[np.random.Generator], list[DrawnCall]]
    results: tuple[str, ...]  # names of what it returns: ("y", "weights")
    sources: tuple[Function, ...] = ()  # the functions whose mutants are the usual mistakes; the reference if empty
    misconceptions: dict[str, Function] = field(default_factory=dict)  # by name: a wrong function of the same signature

    @property
    def signature(self) -> str:
        """The parameters, without annotations: "dy, x, parameters, gradients"."""
        parameters = inspect.signature(self.reference).parameters.values()
        plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
        return str(inspect.Signature(plain))[1:-1]

    @property
    def mutated(self) -> list[FunctionType]:
        """The functions whose mutants are tried."""
        return [inspect.unwrap(source) for source in self.sources or (self.reference,)]

    def drawn_calls(self, seed: int = 0) -> list[DrawnCall]:
        """The calls of a seed; the same arrays every time."""
        return self.calls(np.random.default_rng(seed))


@dataclass(frozen=True)
class CallResult:
    """All that a call left behind: what it returned, what it wrote, and its arguments afterwards."""

    results: dict[str, Any]  # leaves by name: "dx", "gradients.bias"
    arguments: dict[str, Any]  # leaves by name, of the arguments that it must not change
    returned: Any  # as it came


def outcome(exercise: Exercise, function: Function, call: DrawnCall) -> CallResult:
    """Runs `function` on copies of the arguments. Raises whatever it raises."""
    arguments = copy.deepcopy(call.arguments)
    with np.errstate(all="ignore"):
        returned = function(**arguments)
    results = dict(named_results(exercise, returned))
    for name in call.written:
        results |= dict(leaves(name, arguments[name]))
    kept = {name: value for name, value in arguments.items() if name not in call.written}
    return CallResult(results, dict(pair for name, value in kept.items() for pair in leaves(name, value)), returned)


def named_results(exercise: Exercise, returned: Any) -> Iterator[tuple[str, Any]]:
    """What a function returned, under the names of the exercise; as "result" if it is not that many things."""
    names = exercise.results
    if len(names) == 1:
        yield names[0], returned
    elif len(names) > 1 and isinstance(returned, tuple | list) and len(returned) == len(names):
        yield from zip(names, returned, strict=True)
    elif names or returned is not None:
        yield "result", returned


def leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """(path, array) of an argument: a named tuple of parameters is a tree, anything else a leaf."""
    if hasattr(value, "_fields"):
        for part in value._fields:
            yield from leaves(f"{name}.{part}", getattr(value, part))
    else:
        yield name, value


TOLERANCE = 1e-10  # everything is compared in float64


def equal(found: Any, expected: Any, *, tolerance: float = TOLERANCE) -> bool:
    """Whether two leaves are the same up to rounding; arrays must have the same shape."""
    if isinstance(expected, np.ndarray | float) and not isinstance(expected, bool):
        try:
            array = np.asarray(found, dtype=complex)
        except (TypeError, ValueError):
            return False
        expected = np.asarray(expected)
        size = np.abs(expected[np.isfinite(expected)]).max(initial=0)
        return array.shape == expected.shape and bool(
            np.allclose(array, expected, rtol=tolerance, atol=tolerance * (1 + size), equal_nan=True)
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list | tuple)
            and len(found) == len(expected)
            and all(equal(one, other, tolerance=tolerance) for one, other in zip(found, expected, strict=True))
        )
    if isinstance(expected, tuple):
        return isinstance(found, tuple | list) and equal(list(found), list(expected), tolerance=tolerance)
    return not isinstance(found, np.ndarray) and bool(found == expected)


def same_results(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether all leaves are there and equal."""
    return found.keys() == expected.keys() and all(equal(found[name], expected[name]) for name in expected)
