"""Ternary weights: each weight of a linear layer is -1, 0 or 1, times one scale for the whole matrix (BitNet b1.58; Ma
et al. 2024).

The parameters stay what they are, numbers of full precision: the masters. Before each step, every matrix W (I, O) of
attention and feed-forward is rounded, and the layers compute with what comes out:

    s    = sum_ij |W_ij| / (I O)                        the scale: the mean of the magnitudes
    T_ij = min(1, max(-1, round(W_ij / s)))             the sign of W_ij where |W_ij| > s / 2, else 0
    V    = s T

So no layer knows of it. A model with ternary weights is a float model at V (`Model.quantised`), whose gradient goes to
the masters.

What is not rounded: the embedding, since it is also the output projection, where a rounding would fall on the logits
themselves with no layer behind it to make up for it; norms, biases, learned positions and the heads of an encoder,
which are few; and the activations. BitNet rounds these to 8 bits, which makes products of whole numbers fast where the
hardware has them. NumPy has none.

Derivation. Let G = dL/dV, the gradient of the float model at V. Exact, and checked by gradcheck/ternary_cases.py, are:

- G itself. Every layer's derivation holds at V as at any other weights.
- The gradients of everything that is not rounded.
- The derivative through the scale. Rounding is constant but for its jumps, so almost everywhere T does not move with W,
  and s moves by sign(W_ij) / (I O):

      dL/dW_ij = sign(W_ij) / (I O) * sum_kl G_kl T_kl

This exact gradient is useless. It moves all magnitudes of a matrix by the same amount and leaves T what it is: nothing
says which weight should become another of the three values. What is assumed instead (the straight-through estimate;
Bengio, Leonard and Courville 2013): the rounding is taken for the identity, V = W, and therefore

      dW = G

This is no derivative of the loss. It pushes W_ij in the direction in which V_ij should go; when enough pushes agree,
W_ij crosses s / 2 and V_ij follows. As in BitNet, the scale is taken for a part of that identity, and weights beyond s,
which the minimum above cuts off, get their gradient, too. Because the backward is the identity it has no code: the
gradient buffer of the float model is the masters' own.
"""

from typing import Any

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.layers.parameters import Parameters, Tree

WEIGHTS = ("float", "ternary")  # what a configuration may ask for
ROUNDED = {"self_attention", "cross_attention", "feed_forward"}  # sub-layers whose matrices are


def ternary(weight: Array) -> tuple[Array, Array]:
    """W (I, O) -> T (I, O), of the values -1, 0 and 1, and the scale s ()."""
    scale = (weight * _signs(weight, 0)).mean()  # |w| = w sign(w), through which a complex step comes
    return _signs(weight, scale.real / 2), scale


def _signs(weight: Array, least: Any) -> Array:
    """1 where a weight is above `least`, -1 where it is below its opposite, else 0."""
    return (weight.real > least).astype(weight.dtype) - (weight.real < -least)


def is_rounded(name: str) -> bool:
    """Whether the parameter of this name is a matrix of attention or feed-forward.

    >>> is_rounded("decoder.0.cross_attention.key_value.weight"), is_rounded("decoder.0.cross_attention_norm.gain")
    (True, False)
    """
    *places, leaf = name.split(".")
    return leaf == "weight" and not ROUNDED.isdisjoint(places)


def ternary_parameters(masters: Parameters[Tree]) -> Parameters[Tree]:
    """What the layers compute with, in a new buffer: V for each matrix of attention and feed-forward, else the same."""
    rounded: Parameters[Tree] = Parameters.view(masters.flat.copy(), masters.tree)
    for name, weight in rounded.named():
        if is_rounded(name):
            trits, scale = ternary(weight)
            array_module(weight).multiply(trits, scale, out=weight)
    return rounded
