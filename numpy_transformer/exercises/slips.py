"""A mutant in words: which term was altered, and how, without the line in which it stands."""

import ast

from numpy_transformer.exercises.language import Texts
from numpy_transformer.gradcheck.mutants import Mutant

OPERATORS = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "**",
    ast.FloorDiv: "//",
}


def in_words(mutant: Mutant, texts: Texts) -> str:
    """What is wrong, as the rest of a sentence that begins with "if"."""
    slip, terms = _slip(mutant)
    function = mutant.function.__name__
    return texts.slip(slip).format(**{name: _words(node, function, texts) for name, node in terms.items()})


Terms = dict[str, ast.AST]


def _slip(mutant: Mutant) -> tuple[str, Terms]:
    """The kind of slip, as english.toml names it, and the terms that its sentence names."""
    node, kind = mutant.before, mutant.kind
    match node:
        case ast.BinOp():
            return _of_operation(kind, node)
        case ast.AugAssign(target=target, op=operator, value=value):
            terms: Terms = {"target": target, "value": value}
            if kind == "assign instead":
                return kind, terms
            return f"{'invert' if kind.startswith('invert') else 'leave out'} {OPERATORS[type(operator)]}", terms
        case ast.UnaryOp(operand=ast.Constant() as number):
            return "another number", {"number": number}
        case ast.UnaryOp(operand=operand):
            return kind, {"operand": operand}
        case ast.Constant():
            return "another number", {"number": node}
        case ast.Attribute(value=value):
            return kind, {"value": value}
        case ast.Expr(value=call):
            return "leave out call", {"target": call}
        case ast.Assign(targets=[ast.Subscript() as target]):
            return "leave out assignment", {"target": target}
        case ast.Assign(targets=[ast.Tuple(elts=names)]):
            return "exchange", _exchanged(names, mutant.after.targets[0].elts)  # type: ignore[attr-defined]
        case ast.Return(value=ast.Tuple(elts=values)):
            return "exchange", _exchanged(values, mutant.after.value.elts)  # type: ignore[attr-defined]
        case ast.If(test=test) | ast.IfExp(test=test):
            return kind, {"test": test}
        case ast.Call():
            return _of_call(kind, node, mutant)
    raise TypeError(ast.dump(node))


def _of_operation(kind: str, node: ast.BinOp) -> tuple[str, Terms]:
    verbs = {"drop the right operand": "drop right", "drop the left operand": "drop left"}
    terms: Terms = {"left": node.left, "right": node.right}
    return f"{verbs.get(kind, 'flip')} {OPERATORS[type(node.op)]}", terms


def _of_call(kind: str, call: ast.Call, mutant: Mutant) -> tuple[str, Terms]:
    if kind == "forget the transpose":
        assert isinstance(call.func, ast.Attribute)
        return kind, {"value": call.func.value}
    if kind in ("sum instead of mean", "mean instead of sum"):
        of_method = isinstance(call.func, ast.Attribute) and not call.args
        return kind, {"value": call.func.value if of_method else call.args[0]}  # type: ignore[attr-defined]
    if kind == "the first factor twice":
        return "twice", {"value": call.args[-2], "other": call.args[-1]}
    if kind == "the second factor twice":
        return "twice", {"value": call.args[-1], "other": call.args[-2]}
    if kind == "skip the layer":
        return kind, {"layer": call}
    if kind == "exchange the factors":
        return kind, {"first": call.args[0], "second": call.args[1]}
    if kind == "exchange two outputs":
        after = [keyword.value for keyword in mutant.after.keywords]  # type: ignore[attr-defined]
        return "exchange", _exchanged([keyword.value for keyword in call.keywords], after)
    return kind, {"value": call.args[0]}


def _exchanged(before: list[ast.expr], after: list[ast.expr]) -> Terms:
    moved = [one for one, other in zip(before, after, strict=True) if ast.dump(one) != ast.dump(other)]
    first, second, *_ = moved or before
    return {"first": first, "second": second}


def _words(node: ast.AST, function: str, texts: Texts) -> str:
    """The term's own name; else the names of its parts, put together as in the formula."""
    text = " ".join(ast.unparse(node).split())
    if name := texts.term(function, text):
        return name
    match node:
        case ast.BinOp(left=left, op=operator, right=right):
            return f"{_words(left, function, texts)} {OPERATORS[type(operator)]} {_words(right, function, texts)}"
        case ast.Call(func=ast.Attribute(value=value, attr="reshape" | "swapaxes" | "sum")):
            return _words(value, function, texts)
    return text
