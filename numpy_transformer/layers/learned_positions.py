"""Learned positions: a vector for each position, learned like any other parameter (GPT-2, BERT; the paper's section 3.5
found them as good as sinusoids). A model that has them can read no more positions than it has vectors.

    y_bt = x_bt + position_t

Derivation. Position t's vector is added to every sentence b, and one beyond the sentences' length T to none:

    dx_bt = dy_bt        dposition_t = sum_b dy_bt for t < T, else 0
"""

from typing import NamedTuple

from numpy_transformer.backend.arrays import Array
from numpy_transformer.layers.parameters import normal, parameter


class PositionParameters(NamedTuple):
    weight: Array  # (positions, D)


def learned_positions_spec(positions: int, d_model: int, *, deviation: float) -> PositionParameters:
    """Normal, of the size of the embedding that they are added to."""
    return PositionParameters(parameter((positions, d_model), normal(deviation)))


def learned_positions_forward(x: Array, parameters: PositionParameters, *, start: int = 0) -> Array:
    """x (..., T, D) plus the vectors of positions start .. start + T - 1. The backward needs nothing."""
    return x + parameters.weight[start : start + x.shape[-2]]


def learned_positions_backward(dy: Array, gradients: PositionParameters) -> Array:
    """dy (B, T, D), from position 0 on -> dx; writes gradients.weight."""
    T = dy.shape[1]
    gradients.weight[:T] = dy.sum(axis=0)
    gradients.weight[T:] = 0
    return dy
