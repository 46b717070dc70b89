"""The cases that `python -m numpy_transformer.gradcheck` runs.

A layer stands behind those that it is made of, so the first wrong one is the one to mend.
"""

import ast
import inspect
from collections.abc import Callable
from types import ModuleType

from numpy_transformer.errors import InputError
from numpy_transformer.gradcheck import (
    attention_cases,
    consistency_cases,
    layer_cases,
    model_cases,
    one_stack_cases,
    ternary_cases,
)
from numpy_transformer.gradcheck.case import BUILDERS, Case
from numpy_transformer.layers.activation import ACTIVATIONS

Group = Callable[[int, ModuleType], list[Case]]  # seed, array module

# Checked along one random direction per parameter; all others entry by entry.
ALONG = ("encoder_layer", "decoder_layer", "transformer", "language_model", "encoder", "ternary_transformer")


def _one(builder: Callable[..., Case]) -> Group:
    return lambda seed, xp: [builder(seed=seed, xp=xp)]


def _attention(seed: int, xp: ModuleType) -> list[Case]:
    build = attention_cases.attention
    return [
        build(seed=seed, queries=3, keys=5, xp=xp),
        build(seed=seed, mask="causal", xp=xp),
        build(seed=seed, mask="padding", lengths=(4, 0), xp=xp),  # a sentence of padding only beside a long one
        build(seed=seed, mask="causal+padding", lengths=(4, 2), dropout=0.3, xp=xp),
    ]


def _both_norms(builder: Callable[..., Case]) -> Group:
    return lambda seed, xp: [builder(seed=seed, norm=norm, xp=xp) for norm in ("post", "pre")]


SUITE: dict[str, Group] = {
    "linear": _one(layer_cases.linear),
    "embedding": lambda seed, xp: [
        layer_cases.embedding(seed=seed, positions=positions, xp=xp) for positions in (False, True)
    ],
    "feature_projection": _one(layer_cases.feature_projection),
    "positional_encoding": _one(layer_cases.positional_encoding),
    "learned_positions": _one(layer_cases.learned_positions),
    "layer_norm": _one(layer_cases.layer_norm),
    "softmax": _one(layer_cases.softmax),
    "dropout": _one(layer_cases.dropout),
    "attention": _attention,
    "blocked_attention": lambda seed, xp: [
        attention_cases.blocked_attention(seed=seed, mask="causal+padding", lengths=(5, 0), xp=xp)
    ],
    "self_attention": lambda seed, xp: [
        attention_cases.self_attention(seed=seed, mask="causal+padding", lengths=(4, 2), dropout=0.3, xp=xp)
    ],
    "cross_attention": lambda seed, xp: [
        attention_cases.cross_attention(seed=seed, lengths=(4, 2), dropout=0.3, xp=xp)
    ],
    "relu": _one(layer_cases.relu),
    "swish": _one(layer_cases.swish),
    "gelu": lambda seed, xp: [layer_cases.gelu(seed=seed, form=form, xp=xp) for form in ("gelu", "gelu_tanh")],
    "tanh": _one(layer_cases.tanh),
    "feed_forward": lambda seed, xp: [
        layer_cases.feed_forward(seed=seed, activation=activation, xp=xp) for activation in ACTIVATIONS
    ],
    "residual": _both_norms(layer_cases.residual),
    "cross_entropy": _one(layer_cases.cross_entropy),
    "output_loss": lambda seed, xp: [
        layer_cases.projection_loss(seed=seed, output_bias=output_bias, xp=xp) for output_bias in (False, True)
    ],
    "consistency": _one(consistency_cases.consistency),
    "consistent_loss": lambda seed, xp: [
        consistency_cases.consistent_loss(seed=seed, output_bias=output_bias, xp=xp) for output_bias in (False, True)
    ],
    "encoder_layer": _both_norms(model_cases.encoder_layer),
    "decoder_layer": _both_norms(model_cases.decoder_layer),
    "transformer": lambda seed, xp: [
        model_cases.transformer(seed=seed, norm=norm, features=features, xp=xp)
        for norm, features in (("post", 0), ("pre", 0), ("post", 5))
    ],
    "language_model": lambda seed, xp: [
        one_stack_cases.language_model(seed=seed, norm=norm, learned=learned, xp=xp)
        for norm, learned in (("post", False), ("pre", True))
    ],
    "encoder": lambda seed, xp: [
        one_stack_cases.encoder(seed=seed, norm=norm, head=head, learned=learned, xp=xp)
        for norm, head, learned in (("post", "words", True), ("post", "classes", True), ("pre", "classes", False))
    ],
    "ternary": _one(ternary_cases.ternary),
    "ternary_transformer": lambda seed, xp: [
        ternary_cases.ternary_transformer(seed=seed, rounded=rounded, xp=xp) for rounded in (True, False)
    ],
}

# The file whose docstring derives each group's gradients.
DERIVATIONS = {
    "positional_encoding": "layers/embedding.py",
    "relu": "layers/activation.py",
    "projection_loss": "layers/output_loss.py",
    "consistent_loss": "layers/consistency.py",
    "swish": "layers/activation.py",
    "gelu": "layers/activation.py",
    "tanh": "layers/activation.py",
    "self_attention": "layers/multi_head_attention.py",
    "cross_attention": "layers/multi_head_attention.py",
    "encoder_layer": "models/blocks.py",
    "decoder_layer": "models/blocks.py",
    "transformer": "models/encoder_decoder.py",
    "language_model": "models/one_stack.py",
    "encoder": "models/encoder_only.py",
    "ternary_transformer": "layers/ternary.py",
}


def called(text: str, xp: ModuleType) -> tuple[str, Callable[[], list[Case]]]:
    """What a call such as "softmax(seed=4, width=7)" names, and the function that builds that one case.

    Its values are numbers, texts, tuples and lists. Raises InputError if `text` is no such call.
    """
    remedy = "write a call such as 'softmax(seed=4, width=7)'"
    try:
        call = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError) as error:
        raise InputError(f"{text!r} cannot be read ({error}): {remedy}") from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
        raise InputError(f"{text!r} is not a case with arguments by name: {remedy}")
    name = call.func.id
    if name not in BUILDERS:
        raise InputError(f"unknown case {name!r}; choose from {', '.join(BUILDERS)}")
    try:
        arguments = {keyword.arg or "**": ast.literal_eval(keyword.value) for keyword in call.keywords}
    except ValueError:
        raise InputError(f"{text!r} has a value that is no number, text or tuple: {remedy}") from None
    try:
        inspect.signature(BUILDERS[name]).bind(xp=xp, **arguments)
    except TypeError as error:
        raise InputError(f"{text!r}: {error}: {remedy}") from None
    return name, lambda: [BUILDERS[name](xp=xp, **arguments)]


def derivation_of(layer: str) -> str:
    """The file, inside numpy_transformer/, where the layer's gradients are derived."""
    return DERIVATIONS.get(layer, f"layers/{layer}.py")
