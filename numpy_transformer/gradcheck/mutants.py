"""Break a function on purpose, one term at a time, in the ways programmers err.

The function's source is parsed, and each node of its syntax tree is altered: a dropped term or factor, a flipped sign,
a forgotten transpose, mask, mean or square root, two exchanged arguments, a branch always or never taken, a missing
statement. Each altered function is a mutant. The tests install every mutant of every backward and see whether the
gradient checks notice; the exercises compare a learner's result with what each mutant would give.
"""

import ast
import copy
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import FunctionType, ModuleType
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """A function with one mistake: `before` in its syntax tree became `after`."""

    function: FunctionType  # the original
    kind: str  # what was done: "flip the sign"
    before: ast.AST
    after: ast.AST
    tree: ast.Module  # of the altered function

    @property
    def label(self) -> str:
        """What was done, in one line."""
        after = "" if isinstance(self.after, ast.Pass) else _one_line(self.after)
        return f"{self.function.__name__}: {self.kind}: {_one_line(self.before)}" + (f"  ->  {after}" if after else "")

    def altered(self) -> Callable[..., Any]:
        """The function with the mistake; it sees the names of the original's module."""
        module, found = sys.modules[self.function.__module__], dict[str, Any]()
        exec(compile(self.tree, f"<mutant of {self.function.__name__}>", "exec"), vars(module), found)
        return found[self.function.__name__]


def mutants_of(function: FunctionType) -> Iterator[Mutant]:
    """All mutants of one function."""
    function = inspect.unwrap(function)
    tree = _Plain().visit(ast.parse(textwrap.dedent(inspect.getsource(function))))
    negated = {id(node.operand) for node in ast.walk(tree) if isinstance(node, ast.UnaryOp)}
    for index, node in enumerate(ast.walk(tree)):
        if id(node) in negated and isinstance(node, ast.Constant):
            continue  # the number goes with its minus
        for name, alter in alterations(node):
            mutated = copy.deepcopy(tree)
            target = list(ast.walk(mutated))[index]
            replacement = alter(target)
            if replacement is not target:
                mutated = _Replace(target, ast.copy_location(replacement, target)).visit(mutated)
            ast.fix_missing_locations(mutated)
            yield Mutant(function, name, node, replacement, mutated)


Alteration = tuple[str, Callable[[Any], ast.AST]]


def alterations(node: ast.AST) -> Iterator[Alteration]:
    """(name, function from the node to its replacement) for each way to alter it."""
    match node:
        case ast.BinOp(op=operator):
            yield "drop the right operand", lambda n: n.left
            yield "drop the left operand", lambda n: n.right
            if isinstance(operator, ast.Add | ast.Sub):
                yield "flip the sign", _with_operator
            if isinstance(operator, ast.Mult | ast.Div):
                yield "exchange * and /", _with_operator
        case ast.AugAssign():
            yield "leave out", lambda n: ast.Pass()
            yield "invert the operator", _with_operator
            yield "assign instead", lambda n: ast.Assign(targets=[n.target], value=n.value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            yield "drop the minus", lambda n: n.operand
            if isinstance(operand, ast.Constant):
                yield "another number", lambda n: ast.Constant(n.operand.value - 1)
        case ast.Attribute(attr="T"):
            yield "forget the transpose", lambda n: n.value
        case ast.Call():
            yield from _call_alterations(node)
        case ast.Expr(value=ast.Call()):
            yield "leave out", lambda n: ast.Pass()
        case ast.Assign(targets=[ast.Subscript()]):
            yield "leave out", lambda n: ast.Pass()
        case ast.Assign(targets=[ast.Tuple(elts=[_, _, *_] as names)]):
            for i in range(len(names) - 1):
                yield "exchange two names", partial(_swap, lambda n: n.targets[0].elts, i)
        case ast.Return(value=ast.Tuple(elts=[_, _, *_] as values)):
            for i in range(len(values) - 1):
                yield "exchange two results", partial(_swap, lambda n: n.value.elts, i)
        case ast.If() | ast.IfExp():
            yield "always", lambda n: _with_test(n, True)
            yield "never", lambda n: _with_test(n, False)
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            yield "another number", lambda n: ast.Constant(n.value + 1)


def _call_alterations(call: ast.Call) -> Iterator[Alteration]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "swapaxes":
        yield "forget the transpose", lambda n: n.func.value
    if name in ("mean", "sum"):
        other = "sum" if name == "mean" else "mean"
        yield f"{other} instead of {name}", lambda n: _renamed(n, other)
    if name == "sqrt":
        yield "forget the root", lambda n: n.args[0]
    if name == "reversed":
        yield "forget to reverse", lambda n: n.args[0]
    if name == "matmul":
        yield "exchange the factors", partial(_swap, lambda n: n.args, 0)
    if name == "row_mean":
        yield "sum instead of mean", lambda n: _times_length(n)
    if name == "row_dot":
        yield "the first factor twice", lambda n: _repeat_argument(n, 0, 1)
        yield "the second factor twice", lambda n: _repeat_argument(n, 1, 0)
    if name == "einsum" and len(call.args) > 2:
        yield "the first factor twice", lambda n: _repeat_argument(n, 1, 2)
        yield "the second factor twice", lambda n: _repeat_argument(n, 2, 1)
    if (name.endswith("_backward") or name in ("sublayer", "backward")) and call.args:
        yield "skip the layer", lambda n: n.args[0]
    gradients = [i for i, keyword in enumerate(call.keywords) if (keyword.arg or "").startswith("d")]
    for i in gradients[:-1]:
        yield "exchange two outputs", partial(_swap_keywords, i)


def _with_operator(node: Any) -> ast.AST:
    inverse = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
    node.op = inverse[type(node.op)]()
    return node


def _with_test(node: Any, value: bool) -> ast.AST:
    node.test = ast.Constant(value)
    return node


def _swap(elements: Callable[[Any], list[ast.AST]], i: int, node: Any) -> ast.AST:
    items = elements(node)
    items[i], items[i + 1] = items[i + 1], items[i]
    return node


def _swap_keywords(i: int, node: Any) -> ast.AST:
    one, two = node.keywords[i], node.keywords[i + 1]
    one.value, two.value = two.value, one.value
    return node


def _repeat_argument(node: Any, source: int, target: int) -> ast.AST:
    node.args[target] = copy.deepcopy(node.args[source])
    return node


def _times_length(node: Any) -> ast.AST:
    length: Any = ast.parse("x.shape[-1]", mode="eval").body
    length.value.value = copy.deepcopy(node.args[0])
    return ast.BinOp(node, ast.Mult(), length)


def _renamed(node: Any, name: str) -> ast.AST:
    node.func.attr = name
    return node


class _Plain(ast.NodeTransformer):
    """The function without the parts that have no effect: docstring, annotations, and the switch to a GPU's twin."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.body = node.body[1:] if ast.get_docstring(node) else node.body
        node.returns = None
        node.decorator_list = []
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            argument.annotation = None
        return node


class _Replace(ast.NodeTransformer):
    def __init__(self, target: ast.AST, replacement: ast.AST) -> None:
        self.target, self.replacement = target, replacement

    def visit(self, node: ast.AST) -> ast.AST:
        return self.replacement if node is self.target else self.generic_visit(node)


def _one_line(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 90 else text[:87] + "..."


@contextmanager
def installed(mutant: Mutant) -> Iterator[None]:
    """The mutant in place of the original, in every module that refers to it."""
    with replaced(mutant.function, mutant.altered()):
        yield


@contextmanager
def replaced(original: Callable[..., Any], substitute: Callable[..., Any]) -> Iterator[None]:
    """`substitute` in place of `original`, or of what wraps it, in every module of the package that refers to it."""
    places: list[tuple[ModuleType, str, Any]] = [
        (owner, name, value)
        for owner in list(sys.modules.values())
        if getattr(owner, "__name__", "").startswith("numpy_transformer")
        for name, value in list(vars(owner).items())
        if callable(value) and not isinstance(value, type) and inspect.unwrap(value) is inspect.unwrap(original)
    ]
    for owner, name, _ in places:
        setattr(owner, name, substitute)
    try:
        yield
    finally:
        for owner, name, value in places:
            setattr(owner, name, value)
