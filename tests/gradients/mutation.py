"""Break every backward on purpose, one term at a time, and see whether the gradient checks notice.

A check that never fails proves nothing. Here each backward's source is parsed, and each node of its syntax tree is
altered in the ways programmers err: a dropped term or factor, a flipped sign, a forgotten transpose, mask, mean or
square root, two exchanged arguments, a branch always or never taken, a missing statement. Each altered function (a
mutant) replaces the original everywhere, and the gradient checks run. A mutant is killed if a check fails.

    PYTHONPATH=. python tests/gradients/mutation.py          every mutant with its fate
"""

import ast
import copy
import importlib
import inspect
import pkgutil
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np

import numpy_transformer.layers
from numpy_transformer.backend.dropout_masks import DropoutMasks
from numpy_transformer.gradcheck import attention_cases, layer_cases, model_cases, one_stack_cases
from numpy_transformer.gradcheck.case import Case
from numpy_transformer.gradcheck.check import GradientError, assert_gradients
from numpy_transformer.layers import blocked_attention, dropout, embedding, output_loss

# These go forward and back in one function, or do a part of a backward.
MODELS = ("blocks", "stack", "encoder_decoder", "one_stack", "heads", "encoder_only")
PARTS = ("output_loss_and_gradients", "_loss_in_place", "add_rows")


@dataclass(frozen=True)
class Mutant:
    function: FunctionType  # the original
    label: str  # what was done, in one line
    tree: ast.Module


def backward_functions() -> list[FunctionType]:
    """Every backward of layers, blocks and the whole model."""
    names = [
        f"numpy_transformer.layers.{info.name}" for info in pkgutil.iter_modules(numpy_transformer.layers.__path__)
    ]
    modules = [
        importlib.import_module(name) for name in (*names, *("numpy_transformer.models." + name for name in MODELS))
    ]
    return [
        inspect.unwrap(value)  # the reference, where a GPU has a twin
        for module in modules
        for name, value in vars(module).items()
        if callable(value) and value.__module__ == module.__name__ and (name.endswith("_backward") or name in PARTS)
    ]


# --- Making mutants: for a node of the syntax tree, what might have stood there by mistake ---


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
            before, after = _one_line(node), "" if isinstance(replacement, ast.Pass) else _one_line(replacement)
            label = f"{function.__name__}: {name}: {before}" + (f"  ->  {after}" if after else "")
            yield Mutant(function, label, mutated)


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
                yield "exchange two names", lambda n, i=i: _swap(n, lambda m: m.targets[0].elts, i)
        case ast.Return(value=ast.Tuple(elts=[_, _, *_] as values)):
            for i in range(len(values) - 1):
                yield "exchange two results", lambda n, i=i: _swap(n, lambda m: m.value.elts, i)
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
        yield "exchange the factors", lambda n: _swap(n, lambda m: m.args, 0)
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
        yield "exchange two outputs", lambda n, i=i: _swap_keywords(n, i)


def _with_operator(node: Any) -> ast.AST:
    inverse = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
    node.op = inverse[type(node.op)]()
    return node


def _with_test(node: Any, value: bool) -> ast.AST:
    node.test = ast.Constant(value)
    return node


def _swap(node: Any, elements: Callable[[Any], list[ast.AST]], i: int) -> ast.AST:
    items = elements(node)
    items[i], items[i + 1] = items[i + 1], items[i]
    return node


def _swap_keywords(node: Any, i: int) -> ast.AST:
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


# --- Killing them ---


@contextmanager
def installed(mutant: Mutant) -> Iterator[None]:
    """The mutant in place of the original, in every module that refers to it."""
    module = sys.modules[mutant.function.__module__]
    found: dict[str, Any] = {}
    exec(compile(mutant.tree, f"<mutant of {mutant.function.__name__}>", "exec"), vars(module), found)
    places: list[tuple[ModuleType, str, Any]] = [
        (owner, name, value)
        for owner in list(sys.modules.values())
        if getattr(owner, "__name__", "").startswith("numpy_transformer")
        for name, value in list(vars(owner).items())
        if callable(value) and not isinstance(value, type) and inspect.unwrap(value) is mutant.function
    ]
    for owner, name, _ in places:
        setattr(owner, name, found[mutant.function.__name__])
    try:
        yield
    finally:
        for owner, name, original in places:
            setattr(owner, name, original)


def check_layers(cases: dict[str, list[Case]], module: str) -> None:
    """Raise if a check of `module` fails: its own cases, along random directions, by complex step."""
    with patch.multiple(output_loss, PRODUCT_ROWS=4, CACHED_LOGITS=12):  # several chunks, also with few tokens
        for case in cases[module]:
            assert_gradients(case, along=True, oracles=("complex step",))
    if module in ("multi_head_attention", "blocked_attention"):
        with patch.object(blocked_attention, "BLOCKED_FROM", 1):  # the form for long sentences
            for mask in ("none", "causal+padding"):
                case = attention_cases.self_attention(seed=1, mask=mask, lengths=(4, 2))
                assert_gradients(case, along=True, oracles=("complex step",))
    if module == "dropout":
        check_dropout_value()
    if module == "embedding":
        check_embedding_adds()


def check_embedding_adds() -> None:
    """The embedding's backward adds to the gradient that the output projection wrote."""
    dy, ids = np.ones((1, 2, 4)), np.array([[1, 2]])
    gradients = embedding.EmbeddingParameters(np.full((3, 4), 10.0))
    embedding.embedding_backward(dy, ids, gradients)
    if gradients.weight[:, 0].tolist() != [10, 12, 12]:
        raise GradientError("embedding: the backward does not add")


def check_dropout_value() -> None:
    """Dropout's forward and backward are one function, so its value is compared with the definition as well."""
    x = np.random.default_rng(0).standard_normal((4, 5))
    y, cache = dropout.dropout_forward(x, DropoutMasks(0.25, seed=0))
    assert cache is not None
    if not np.allclose(y, np.where(cache.kept, x / 0.75, 0)):
        raise GradientError("dropout: y is not x * kept / (1 - p)")


def all_cases() -> dict[str, list[Case]]:
    """By module: cases in which every term of its backwards matters, with all sizes different."""
    A, L, M, S = attention_cases, layer_cases, model_cases, one_stack_cases
    blocks = [
        case
        for norm in ("post", "pre")
        for case in (M.encoder_layer(seed=1, norm=norm), M.decoder_layer(seed=1, norm=norm))
    ]
    models = [
        M.transformer(seed=1, norm=norm, layers=2, label_smoothing=smoothing)
        for norm, smoothing in (("post", 0.1), ("pre", 0.0))
    ]
    encoders = [
        S.encoder(seed=1, norm=norm, head=head, layers=2, pooling=pooling, learned=learned)
        for norm, learned in (("post", True), ("pre", False))
        for head, pooling in (("words", "mean"), ("classes", "mean"), ("classes", "first"))
    ]
    one_stack = [S.language_model(seed=1, norm="pre", learned=True), S.language_model(seed=1, layers=2), *encoders]
    return {
        "activation": [
            L.relu(seed=1),
            L.swish(seed=1),
            L.gelu(seed=1),
            L.gelu(seed=1, form="gelu_tanh"),
            L.tanh(seed=1),
        ],
        "attention": [
            A.attention(seed=1, queries=4, keys=5, width=3, dropout=0.3),
            A.attention(seed=1, mask="causal+padding", lengths=(4, 2)),
        ],
        "blocked_attention": [
            A.blocked_attention(seed=1, queries=4, keys=5, block=2),
            A.blocked_attention(seed=1, mask="causal+padding", lengths=(5, 0), block=3),
            A.self_attention(seed=1),  # through `attend`
        ],
        "cross_entropy": [L.cross_entropy(seed=1, label_smoothing=smoothing) for smoothing in (0.0, 0.3)],
        "dropout": [L.dropout(seed=1), L.dropout(seed=1, probability=0.0)],
        "embedding": [*(L.embedding(seed=seed) for seed in range(3)), L.embedding(seed=1, scale=3.0)],
        "feed_forward": [L.feed_forward(seed=1, activation=activation) for activation in ("relu", "swish")],
        "learned_positions": [L.learned_positions(seed=1)],
        "layer_norm": [L.layer_norm(seed=1)],
        "linear": [L.linear(seed=1)],
        "multi_head_attention": [A.self_attention(seed=1, dropout=0.3), A.cross_attention(seed=1, dropout=0.3)],
        "output_loss": [
            *(L.projection_loss(seed=1, tokens=tokens, label_smoothing=0.1) for tokens in (0, 1, 11)),
            L.projection_loss(seed=1, tokens=5, label_smoothing=0.0),
            L.projection_loss(seed=1, tokens=11, vocabulary=5, output_bias=True),
        ],
        "residual": [L.residual(seed=1, norm=norm, dropout=p) for norm in ("post", "pre") for p in (0.0, 0.3)],
        "softmax": [L.softmax(seed=1)],
        "blocks": blocks,
        "stack": models,
        "encoder_decoder": models,
        "one_stack": one_stack,
        "heads": encoders,
        "encoder_only": encoders,
    }


def is_killed(mutant: Mutant, cases: dict[str, list[Case]]) -> bool:
    """Whether a check of the mutant's own module fails, or raises, with the mutant installed."""
    with installed(mutant), np.errstate(all="ignore"):
        try:
            check_layers(cases, mutant.function.__module__.rpartition(".")[2])
        except Exception:  # a mutant may break in any way; breaking is being noticed
            return True
        return False


def main() -> None:
    """Print every mutant with its fate."""
    cases, killed, total = all_cases(), 0, 0
    for function in backward_functions():
        for mutant in mutants_of(function):
            dead = is_killed(mutant, cases)
            killed, total = killed + dead, total + 1
            print("killed  " if dead else "SURVIVED", mutant.label)
    print(f"{killed} of {total} mutants killed")


if __name__ == "__main__":
    main()
