"""Every array that the layers compute, in order, each with the line of code that computed it.

The layers know nothing of this. Python can call a function before each line that it runs (sys.settrace). So the
recorder reads which names a line of a layer assigns, and when the line has run it copies what they hold. What is shown
is therefore what the model computed, under the names that its code uses.

    steps = record(lambda: model.loss_and_gradients(source, target), dict(model.parameters.named()))

A step belongs to a call, and a call knows the parameters that it works with: "encoder.0.self_attention.output".
"""

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

import numpy_transformer.layers
from numpy_transformer.backend.arrays import Array
from numpy_transformer.models import encoder_decoder

LAYERS = Path(numpy_transformer.layers.__file__).parent
MODEL = Path(encoder_decoder.__file__)
# Sums and products are seen where a layer uses them; parameters and position tables are not computed.
UNSEEN = {"arithmetic.py", "parameters.py", "position_table.py"}

Tracer = Callable[[FrameType, str, Any], Any]


@dataclass(frozen=True)
class Statement:
    """A simple statement of a layer's function."""

    line: int
    code: str  # its source, on one line
    targets: tuple[tuple[str, CodeType], ...]  # the names that it assigns, and how to read them
    returned: str | None = None  # what a return statement hands back, if that has no name yet
    writes: bool = False  # whether it computes into an array that was there before
    adds: bool = False  # whether it adds to what the array held


@dataclass(frozen=True)
class Call:
    """One call of a layer's function. `path` is the common beginning of its parameters' names."""

    number: int  # among all calls, in the order in which they began
    function: str
    module: str
    path: str
    arguments: tuple[str, ...]
    parent: "Call | None" = None

    def ancestors(self) -> "Iterator[Call]":
        """The call itself, the one that made it, and so on."""
        call: Call | None = self
        while call is not None:
            yield call
            call = call.parent


@dataclass(frozen=True)
class Assignment:
    """An array right after a statement gave it its value."""

    call: Call
    statement: Statement
    name: str
    value: Array


@dataclass
class _Running:
    """A call that has not returned yet."""

    call: Call
    statement: Statement | None = None


def record(compute: Callable[[], Any], parameters: Mapping[str, Array]) -> list[Assignment]:
    """The steps of `compute`, in order; `parameters` are all of the model's, by name."""
    steps: list[Assignment] = []
    names = names_by_address(parameters)
    running: dict[FrameType, _Running] = {}
    unwritten: list[Array] = []
    count = 0

    def begin(frame: FrameType, event: str, argument: Any) -> Tracer | None:
        nonlocal count
        if event != "call" or plan_of(frame.f_code) is None:
            return None
        parent = _caller(frame, running)
        given = frame.f_locals.get("parameters")
        path = path_of(given, names) or (parent.path if parent else "")
        code = frame.f_code
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        call = Call(count, code.co_name, frame.f_globals["__name__"], path, arguments, parent)
        running[frame] = _Running(call)
        count += 1
        return follow

    def follow(frame: FrameType, event: str, argument: Any) -> Tracer:
        state = running[frame]
        plan = plan_of(frame.f_code) or {}
        following = plan.get(frame.f_lineno) if event == "line" else None
        if state.statement is not None and (event == "return" or following is not state.statement):
            for name, value in assigned(state.statement, frame, argument if event == "return" else None):
                keep(state, name, value)
        state.statement = following
        if event == "return":
            del running[frame]
        return follow

    def keep(state: _Running, name: str, value: Any) -> None:
        statement = state.statement
        if statement is None or not isinstance(value, np.ndarray) or not value.size or value.dtype.kind not in "fc":
            return
        if ".empty" in statement.code:
            unwritten.append(value)
            return
        places = [n for n, one in enumerate(unwritten) if np.may_share_memory(one, value)]
        if places and not statement.writes:
            return  # a view of a buffer that nothing has been written to yet
        for place in reversed(places):
            del unwritten[place]
        steps.append(Assignment(state.call, statement, name, value.copy()))

    with tracing(begin):
        compute()
    return steps


@contextmanager
def tracing(begin: Tracer) -> Iterator[None]:
    """Within the block Python calls `begin` at each call; a debugger that was there before is set aside."""
    before = sys.gettrace()
    sys.settrace(begin)
    try:
        yield
    finally:
        sys.settrace(before)


def assigned(statement: Statement, frame: FrameType, result: Any) -> Iterator[tuple[str, Any]]:
    """The names that a statement has just assigned, with their values; `result` is what the call returns."""
    for name, how in statement.targets:
        try:
            yield name, eval(how, frame.f_globals, frame.f_locals)
        except (AttributeError, NameError):  # a branch in which it has no value
            continue
    if statement.returned is not None:
        yield statement.returned, result[0] if isinstance(result, tuple) and result else result


def plan_of(code: CodeType) -> Mapping[int, Statement] | None:
    """The statements of a function by line, if it is one of a layer or of the whole model."""
    if code.co_filename.startswith("<"):
        return None
    return _plans(code.co_filename).get(code.co_qualname)


@cache
def _plans(file: str) -> dict[str, dict[int, Statement]]:
    path = Path(file)
    if not (path == MODEL or (path.parent == LAYERS and path.name not in UNSEEN)):
        return {}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: _plan(node) for node in tree.body if isinstance(node, ast.FunctionDef)}


def _plan(function: ast.FunctionDef) -> dict[int, Statement]:
    plan = {}
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr | ast.Return):
            continue
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and isinstance(node.targets[0], ast.Name):
            continue  # another name for what is there already
        targets = {ast.unparse(target): target for target in _targets(node)}
        statement = Statement(
            line=node.lineno,
            code=ast.unparse(node),
            targets=tuple((name, compile(ast.Expression(one), "<target>", "eval")) for name, one in targets.items()),
            returned=_returned(node, function.name) if isinstance(node, ast.Return) else None,
            writes="out=" in ast.unparse(node) or isinstance(node, ast.AugAssign),
            adds=isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add),
        )
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
            plan[line] = statement
    return plan


def _targets(node: ast.stmt) -> Iterator[ast.expr]:
    """What a statement writes to: the names it assigns, and the arrays it passes as `out=`."""
    written: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        written = list(node.targets)
    elif isinstance(node, ast.AugAssign | ast.AnnAssign):
        written = [node.target]
    if not written:  # an assigned name is the same array as `out`
        written = [
            keyword.value
            for call in ast.walk(node)
            if isinstance(call, ast.Call)
            for keyword in call.keywords
            if keyword.arg == "out"
        ]
    while written:
        one = written.pop(0)
        if isinstance(one, ast.Tuple | ast.List):
            written = [*one.elts, *written]
        elif isinstance(one, ast.Subscript):
            written.insert(0, one.value)  # the whole array that a part was written to
        elif isinstance(one, ast.Name | ast.Attribute) and ast.unparse(one) != "_":
            yield ast.fix_missing_locations(_reading(one))


def _reading(one: ast.expr) -> ast.expr:
    """The expression that reads a target."""
    return ast.parse(ast.unparse(one), mode="eval").body


def _returned(node: ast.Return, function: str) -> str | None:
    """The name that the contract of the layers gives to a result that has none: y of a forward, dx of a backward."""
    value = node.value.elts[0] if isinstance(node.value, ast.Tuple) else node.value
    if value is None or isinstance(value, ast.Name):
        return None
    return "dx" if function.endswith("_backward") else "y"


def _caller(frame: FrameType, running: Mapping[FrameType, _Running]) -> Call | None:
    back = frame.f_back
    while back is not None and back not in running:
        back = back.f_back
    return running[back].call if back is not None else None


def names_by_address(parameters: Mapping[str, Array]) -> dict[tuple[int, int], str]:
    """Each parameter's name by its place in memory, which is the same wherever a view of it is passed."""
    return {_address(view): name for name, view in parameters.items()}


def path_of(parameters: Any, names: Mapping[tuple[int, int], str]) -> str:
    """encoder.0.self_attention for the parameters of that sub-layer; "" if there are none."""
    if isinstance(parameters, tuple) and not hasattr(parameters, "_fields") and parameters:
        parameters = parameters[0]  # a sub-layer's parameters come before those of its norm
    found = [names[key] for key in map(_address, _leaves(parameters)) if key in names]
    if len(found) == 1:
        return found[0].rpartition(".")[0]
    split = [name.split(".") for name in found]
    return ".".join(takewhile(lambda one: one is not None, map(_agreed, zip(*split, strict=False))))


def _agreed(parts: tuple[str, ...]) -> Any:
    return parts[0] if len(set(parts)) == 1 else None


def _leaves(tree: Any) -> Iterator[Array]:
    if isinstance(tree, np.ndarray):
        yield tree
    elif isinstance(tree, tuple):
        for child in tree:
            yield from _leaves(child)


def _address(array: Array) -> tuple[int, int]:
    return array.__array_interface__["data"][0], array.size
