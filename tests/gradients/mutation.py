"""Break every backward on purpose, one term at a time, and see whether the gradient checks notice.

A check that never fails proves nothing. Each mutant of each backward (gradcheck/mutants.py) replaces the original
everywhere, and the gradient checks run. A mutant is killed if a check fails.

    PYTHONPATH=. python tests/gradients/mutation.py          every mutant with its fate
"""

import importlib
import inspect
import pkgutil
from types import FunctionType
from unittest.mock import patch

import numpy as np

import numpy_transformer.layers
from numpy_transformer.backend.dropout_masks import DropoutMasks
from numpy_transformer.gradcheck import (
    attention_cases,
    consistency_cases,
    layer_cases,
    model_cases,
    one_stack_cases,
    ternary_cases,
)
from numpy_transformer.gradcheck.case import Case
from numpy_transformer.gradcheck.check import GradientError, findings_of
from numpy_transformer.gradcheck.mutants import Mutant, installed, mutants_of
from numpy_transformer.layers import blocked_attention, consistency, dropout, embedding, output_loss
from numpy_transformer.models import encoder_decoder
from numpy_transformer.models.encoder_only import Encoder
from numpy_transformer.models.transformer import Transformer

# These go forward and back in one function, or do a part of a backward.
MODELS = ("blocks", "stack", "encoder_decoder", "one_stack", "heads", "encoder_only")
PARTS = (
    "output_loss_and_gradients",
    "_loss_in_place",
    "add_rows",
    "consistent_loss_and_gradients",
    "_loss_and_dlogits",
    "ternary",
    "_signs",
    "ternary_parameters",
)


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


def check_layers(cases: dict[str, list[Case]], module: str) -> None:
    """Raise if a check of `module` fails: its own cases, along random directions, by complex step."""
    few_rows = patch.multiple(output_loss, PRODUCT_ROWS=4, CACHED_LOGITS=12), patch.object(consistency, "ROWS", 4)
    with few_rows[0], few_rows[1]:  # several chunks, also with few tokens
        for case in cases[module]:
            check_case(case)
    if module in ("multi_head_attention", "blocked_attention"):
        with patch.object(blocked_attention, "BLOCKED_FROM", 1):  # the form for long sentences
            for mask in ("none", "causal+padding"):
                case = attention_cases.self_attention(seed=1, mask=mask, lengths=(4, 2))
                check_case(case)
    if module == "dropout":
        check_dropout_value()
    if module == "embedding":
        check_embedding_adds()
    if module == "encoder_decoder":
        check_constant_start()
    if module == "one_stack":
        check_unused_token_types()
    if module == "ternary":
        check_ternary_values()


def check_case(case: Case) -> None:
    """As assert_gradients does, but the first gradient that is wrong is enough."""
    for finding in findings_of(case, along=True, oracles=("complex step",)):
        if not finding.passed:
            raise GradientError(str(finding))


def check_embedding_adds() -> None:
    """The embedding's backward adds to the gradient that the output projection wrote."""
    dy, ids = np.ones((1, 2, 4)), np.array([[1, 2]])
    gradients = embedding.EmbeddingParameters(np.full((3, 4), 10.0))
    embedding.embedding_backward(dy, ids, gradients)
    if gradients.weight[:, 0].tolist() != [10, 12, 12]:
        raise GradientError("embedding: the backward does not add")


def check_constant_start() -> None:
    """Where an embedding is a constant, its row gets no gradient: the oracles would give it one."""
    dy, ids = np.random.default_rng(0).standard_normal((1, 3, 4)), np.array([[2, 0, 1]])
    learned = np.array([[[False], [True], [True]]])
    gradients = embedding.EmbeddingParameters(np.zeros((3, 4)))
    encoder_decoder.embed_backward(dy, encoder_decoder.EmbedCache(ids, None, learned), gradients)
    right = np.stack([dy[0, 1], dy[0, 2], np.zeros(4)]) * 2  # sqrt(D)
    if not np.allclose(gradients.weight, right):
        raise GradientError("embedding: a constant start has a gradient")


def check_unused_token_types() -> None:
    """A kind of tokens that no text has gets no gradient."""
    config = model_cases.small_config(labels=("a", "b"), token_types=2, positions="learned", context=8)
    model = Encoder(config, seed=0, dtype="float64")
    ids, targets = np.array([[4, 5, 6]]), np.array([1])
    _, gradients = model.loss_and_gradients(ids, targets)
    used, unused = dict(gradients.named())["stack.input.token_types.weight"]
    if not used.all() or unused.any():
        raise GradientError("encoder: the gradient of the token types is not that of the tokens")


def check_ternary_values() -> None:
    """The rounding has no derivative that an oracle could find, so its values are compared with the formula."""
    config = model_cases.small_config(weights="ternary")
    model = Transformer(config, seed=0, dtype="float64")
    model.parameters.tree.encoder[0].feed_forward.hidden.weight[0, 0] = 0
    rounded = dict(model.quantised().parameters.named())
    for name, weight in model.parameters.named():
        scale, right = abs(weight).mean(), weight
        if weight.ndim == 2 and name != "embedding.weight":
            right = scale * np.clip(np.rint(weight / scale), -1, 1)
        if not np.allclose(rounded[name], right, atol=1e-12):
            raise GradientError(f"ternary: {name} is not what the formula says")


def check_dropout_value() -> None:
    """Dropout's forward and backward are one function, so its value is compared with the definition as well."""
    x = np.random.default_rng(0).standard_normal((4, 5))
    y, cache = dropout.dropout_forward(x, DropoutMasks(0.25, seed=0))
    assert cache is not None
    if not np.allclose(y, np.where(cache.kept, x / 0.75, 0)):
        raise GradientError("dropout: y is not x * kept / (1 - p)")


def all_cases() -> dict[str, list[Case]]:
    """By module: cases in which every term of its backwards matters, with all sizes different."""
    A, L, M, R, S = attention_cases, layer_cases, model_cases, consistency_cases, one_stack_cases
    blocks = [
        case
        for norm in ("post", "pre")
        for case in (M.encoder_layer(seed=1, norm=norm), M.decoder_layer(seed=1, norm=norm))
    ]
    models = [
        M.transformer(seed=1, norm=norm, layers=2, label_smoothing=smoothing)
        for norm, smoothing in (("post", 0.1), ("pre", 0.0))
    ]
    hearing = M.transformer(seed=1, layers=2, features=5)
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
        "consistency": [
            R.consistency(seed=1),
            R.consistency(seed=1, tokens=4, token_count=3),
            *(R.consistent_loss(seed=1, tokens=tokens) for tokens in (0, 1, 5)),
            R.consistent_loss(seed=1, tokens=5, vocabulary=5, label_smoothing=0.0, output_bias=True),
        ],
        "cross_entropy": [L.cross_entropy(seed=1, label_smoothing=smoothing) for smoothing in (0.0, 0.3)],
        "dropout": [L.dropout(seed=1), L.dropout(seed=1, probability=0.0)],
        "embedding": [*(L.embedding(seed=seed) for seed in range(3)), L.embedding(seed=1, scale=3.0)],
        "feature_projection": [L.feature_projection(seed=1)],
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
        "ternary": [ternary_cases.ternary(seed=1)],
        "blocks": blocks,
        "stack": models,
        "encoder_decoder": [*models, hearing],
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
