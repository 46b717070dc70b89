"""Cases for ternary weights: what layers/ternary.py calls exact. Its straight-through estimate is no derivative.

The oracles see the masters W. Along them only the scale of a rounded matrix moves, so from the gradient G at V follows
the exact derivative that they must find:

    dL/dW_ij = sign(W_ij) / (I O) * sum_kl G_kl T_kl
"""

import dataclasses
from typing import Any

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.gradcheck.case import Case, Inputs, make_case, recipe
from numpy_transformer.gradcheck.model_cases import transformer
from numpy_transformer.layers import ternary as rounding
from numpy_transformer.layers.parameters import map_tree
from numpy_transformer.layers.ternary import is_rounded


def scale_gradient(gradient: Array, weight: Array) -> Array:
    """G (I, O) at V -> dL/dW (I, O)."""
    trits, _ = rounding.ternary(weight)
    through_scale = (gradient * trits).sum() / weight.size
    return array_module(weight).where(weight.real < 0, -through_scale, through_scale)


@recipe
def ternary(*, seed: int, inputs: int = 4, outputs: int = 3, xp: Any) -> Case:
    """One matrix W -> V."""

    def forward(a: Inputs, p: Any) -> tuple[Array, Array]:
        trits, scale = rounding.ternary(a["weight"])
        return trits * scale, a["weight"]

    def backward(dy: Array, weight: Array, p: Any, g: Any) -> tuple[Array, ...]:
        return (scale_gradient(dy, weight),)

    return make_case("ternary", forward, backward, seed=seed, activations={"weight": (inputs, outputs)}, xp=xp)


@recipe
def ternary_transformer(*, seed: int, norm: str = "post", rounded: bool, xp: Any) -> Case:
    """The whole model. `rounded`: at V, where each G must be exact; else at W, which moves the scales and the rest."""
    case = transformer(seed=seed, norm=norm, xp=xp)
    name = f"ternary_transformer ({norm}-norm, {'at the rounded weights' if rounded else 'through the scales'})"

    def at_rounded(path: str, weight: Array) -> Array:
        if not is_rounded(path):
            return weight
        trits, scale = rounding.ternary(weight)
        return trits * scale

    if rounded:
        inputs = {path: at_rounded(path, weight) for path, weight in case.inputs.items()}
        return dataclasses.replace(case, name=name, inputs=inputs)

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return case.forward_pass(a, map_tree(at_rounded, p))

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        case.backward_pass(dy, cache, map_tree(at_rounded, p), g)
        masters = dict[str, Array]()
        map_tree(masters.__setitem__, p)
        map_tree(lambda path, leaf: _through_scale(path, leaf, masters[path]), g)
        return ()

    return dataclasses.replace(case, name=name, forward_pass=forward, backward_pass=backward)


def _through_scale(path: str, gradient: Array, weight: Array) -> Array:
    """Put the derivative through the scale in the place of G, if this is a rounded matrix."""
    if is_rounded(path):
        gradient[...] = scale_gradient(gradient, weight)
    return gradient
