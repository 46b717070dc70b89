"""One case builder per layer: how to call its forward and backward, and what is drawn (see also attention_cases.py).

Every builder takes sizes and a seed by keyword and returns a Case; `xp` chooses the array module.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.gradcheck.case import Case, GradientError, Inputs, make_case, recipe
from numpy_transformer.gradcheck.masks import draw_masks
from numpy_transformer.layers import activation as activations
from numpy_transformer.layers.activation import ACTIVATIONS
from numpy_transformer.layers.cross_entropy import cross_entropy_backward, cross_entropy_forward
from numpy_transformer.layers.dropout import dropout_backward, dropout_forward
from numpy_transformer.layers.embedding import (
    embedding_backward,
    embedding_forward,
    embedding_spec,
    input_embedding_forward,
    positional_encoding_forward,
)
from numpy_transformer.layers.feature_projection import feature_projection_backward, feature_projection_forward
from numpy_transformer.layers.feed_forward import feed_forward_backward, feed_forward_forward, feed_forward_spec
from numpy_transformer.layers.layer_norm import layer_norm_backward, layer_norm_forward, layer_norm_spec
from numpy_transformer.layers.learned_positions import (
    learned_positions_backward,
    learned_positions_forward,
    learned_positions_spec,
)
from numpy_transformer.layers.linear import linear_backward, linear_forward, linear_spec
from numpy_transformer.layers.output_loss import OutputParameters, output_loss, output_loss_and_gradients
from numpy_transformer.layers.parameters import parameter, zeros
from numpy_transformer.layers.residual import residual_backward, residual_forward
from numpy_transformer.layers.softmax import softmax_backward, softmax_forward


@recipe
def linear(
    *,
    seed: int,
    leading: Sequence[int] = (2, 3),
    inputs: int = 4,
    outputs: int = 5,
    scale: float = 1.0,
    xp: Any,
) -> Case:
    """y = x W + b."""

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return linear_forward(a["x"], p), a["x"]

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        return (linear_backward(dy, cache, p, g),)

    return make_case(
        "linear",
        forward,
        backward,
        seed=seed,
        activations={"x": (*leading, inputs)},
        spec=linear_spec(inputs, outputs),
        scale=scale,
        xp=xp,
    )


@recipe
def feature_projection(
    *, seed: int, shape: tuple[int, int] = (2, 3), features: int = 5, d_model: int = 4, xp: Any
) -> Case:
    """y = x W + b + positions, for a source of vectors."""

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return feature_projection_forward(a["x"], p), a["x"]

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        return (feature_projection_backward(dy, cache, p, g),)

    return make_case(
        "feature_projection",
        forward,
        backward,
        seed=seed,
        activations={"x": (*shape, features)},
        spec=linear_spec(features, d_model),
        xp=xp,
    )


@recipe
def embedding(
    *,
    seed: int,
    vocabulary: int = 7,
    d_model: int = 4,
    shape: tuple[int, int] = (3, 5),
    positions: bool = False,
    scale: float | None = None,
    xp: Any,
) -> Case:
    """Rows of a table times `scale`, with positions added on request; with more tokens than rows some ids repeat."""
    ids = xp.asarray(np.random.default_rng(seed + 1).integers(0, vocabulary, shape))

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return input_embedding_forward(ids, p) if positions else embedding_forward(ids, p, scale=scale), ids

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        embedding_backward(dy, cache, g, scale=scale)
        return ()

    return make_case(
        "embedding (with positions)" if positions else "embedding",
        forward,
        backward,
        seed=seed,
        activations={},
        spec=embedding_spec(vocabulary, d_model),
        xp=xp,
        adds=True,
    )


@recipe
def positional_encoding(
    *, seed: int, leading: Sequence[int] = (2,), length: int = 5, d_model: int = 6, start: int = 0, xp: Any
) -> Case:
    """x + constant: the gradient passes unchanged."""

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return positional_encoding_forward(a["x"], start=start), None

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        return (dy,)

    return make_case(
        "positional_encoding", forward, backward, seed=seed, activations={"x": (*leading, length, d_model)}, xp=xp
    )


@recipe
def learned_positions(
    *, seed: int, sentences: int = 2, length: int = 3, positions: int = 5, d_model: int = 4, xp: Any
) -> Case:
    """x + a vector for each position; those beyond the text's length have gradient 0."""

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return learned_positions_forward(a["x"], p), None

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        return (learned_positions_backward(dy, g),)

    return make_case(
        "learned_positions",
        forward,
        backward,
        seed=seed,
        activations={"x": (sentences, length, d_model)},
        spec=learned_positions_spec(positions, d_model, deviation=1.0),
        xp=xp,
    )


@recipe
def layer_norm(
    *, seed: int, leading: Sequence[int] = (2, 3), d_model: int = 6, scale: float = 1.0, epsilon: float = 1e-5, xp: Any
) -> Case:
    """Mean 0, variance 1, gain and bias."""

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return layer_norm_forward(a["x"], p, epsilon=epsilon)

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        return (layer_norm_backward(dy, cache, p, g),)

    return make_case(
        "layer_norm",
        forward,
        backward,
        seed=seed,
        activations={"x": (*leading, d_model)},
        spec=layer_norm_spec(d_model),
        scale=scale,
        xp=xp,
    )


@recipe
def softmax(*, seed: int, leading: Sequence[int] = (2, 3), width: int = 5, scale: float = 1.0, xp: Any) -> Case:
    """Scores to weights."""

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return softmax_forward(a["x"])

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        return (softmax_backward(dy, cache),)

    return make_case("softmax", forward, backward, seed=seed, activations={"x": (*leading, width)}, scale=scale, xp=xp)


@recipe
def relu(*, seed: int, shape: Sequence[int] = (3, 4), scale: float = 1.0, xp: Any) -> Case:
    """max(x, 0); a normal draw is at the kink with probability 0."""
    return _elementwise("relu", "relu", seed=seed, shape=shape, scale=scale, xp=xp)


@recipe
def swish(*, seed: int, shape: Sequence[int] = (3, 4), scale: float = 1.0, xp: Any) -> Case:
    """x / (1 + exp(-x))."""
    return _elementwise("swish", "swish", seed=seed, shape=shape, scale=scale, xp=xp)


@recipe
def gelu(*, seed: int, form: str = "gelu", shape: Sequence[int] = (3, 4), scale: float = 1.0, xp: Any) -> Case:
    """x P(x): `form` is "gelu", the exact one, or "gelu_tanh", GPT-2's."""
    name = "gelu" if form == "gelu" else "gelu (with tanh)"
    return _elementwise(name, form, seed=seed, shape=shape, scale=scale, xp=xp)


@recipe
def tanh(*, seed: int, shape: Sequence[int] = (3, 4), scale: float = 1.0, xp: Any) -> Case:
    """tanh(x)."""
    return _elementwise("tanh", "tanh", seed=seed, shape=shape, scale=scale, xp=xp)


def _elementwise(name: str, form: str, *, seed: int, shape: Sequence[int], scale: float, xp: Any) -> Case:
    """The functions of activation.py whose names begin with `form`."""

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return getattr(activations, f"{form}_forward")(a["x"])

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        return (getattr(activations, f"{form}_backward")(dy, cache),)

    return make_case(name, forward, backward, seed=seed, activations={"x": tuple(shape)}, scale=scale, xp=xp)


@recipe
def feed_forward(
    *,
    seed: int,
    leading: Sequence[int] = (2, 3),
    d_model: int = 4,
    d_ff: int = 6,
    activation: str = "relu",
    scale: float = 1.0,
    xp: Any,
) -> Case:
    """Linear, activation, linear."""

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return feed_forward_forward(a["x"], p, activation=ACTIVATIONS[activation])

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        return (feed_forward_backward(dy, cache, p, g),)

    return make_case(
        f"feed_forward ({activation})",
        forward,
        backward,
        seed=seed,
        activations={"x": (*leading, d_model)},
        spec=feed_forward_spec(d_model, d_ff),
        scale=scale,
        xp=xp,
    )


@recipe
def dropout(*, seed: int, shape: Sequence[int] = (3, 4), probability: float = 0.3, scale: float = 1.0, xp: Any) -> Case:
    """A mask that the seed determines."""

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return dropout_forward(a["x"], draw_masks(probability, seed, xp))

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        return (dropout_backward(dy, cache),)

    return make_case("dropout", forward, backward, seed=seed, activations={"x": tuple(shape)}, scale=scale, xp=xp)


@recipe
def residual(
    *,
    seed: int,
    norm: str = "post",
    leading: Sequence[int] = (2, 3),
    d_model: int = 4,
    dropout: float = 0.3,
    scale: float = 1.0,
    xp: Any,
) -> Case:
    """Residual connection and norm around a sub-layer, here a linear one: parameters 0 is the norm, 1 the sub-layer."""

    def linear(x: Array, p: Any) -> tuple[Array, Any]:
        return linear_forward(x, p), x

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return residual_forward(a["x"], linear, (p[1], p[0]), norm=norm, dropout=draw_masks(dropout, seed, xp))

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        return (residual_backward(dy, cache, linear_backward, (p[1], p[0]), (g[1], g[0])),)

    return make_case(
        f"residual ({norm}-norm)",
        forward,
        backward,
        seed=seed,
        activations={"x": (*leading, d_model)},
        spec=(layer_norm_spec(d_model), linear_spec(d_model, d_model)),
        scale=scale,
        xp=xp,
    )


@recipe
def cross_entropy(
    *,
    seed: int,
    tokens: int = 4,
    vocabulary: int = 6,
    label_smoothing: float = 0.1,
    token_count: int | None = None,
    scale: float = 1.0,
    xp: Any,
) -> Case:
    """Label-smoothed cross-entropy of logits; `token_count` is the denominator."""
    targets = xp.asarray(np.random.default_rng(seed + 1).integers(0, vocabulary, tokens))

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return cross_entropy_forward(
            a["logits"], targets, label_smoothing=label_smoothing, token_count=token_count or tokens
        )

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        return (cross_entropy_backward(float(dy), cache),)

    return make_case(
        "cross_entropy",
        forward,
        backward,
        seed=seed,
        activations={"logits": (tokens, vocabulary)},
        scale=scale,
        xp=xp,
    )


@recipe
def projection_loss(
    *,
    seed: int,
    tokens: int = 4,
    vocabulary: int = 6,
    d_model: int = 4,
    label_smoothing: float = 0.1,
    output_bias: bool = False,
    xp: Any,
) -> Case:
    """Output projection and loss: the forward is output_loss, the backward output_loss_and_gradients."""
    targets = xp.asarray(np.random.default_rng(seed + 1).integers(0, vocabulary, tokens))
    options: dict[str, Any] = {"label_smoothing": label_smoothing, "token_count": tokens}
    bias = parameter((vocabulary,), zeros) if output_bias else None

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        loss = output_loss(a["x"], p, targets, **options)
        return loss, (a["x"], loss)

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        x, loss = cache
        again, dx = output_loss_and_gradients(x, p, targets, g, **options)
        if not abs(again - loss) <= 1e-4 * abs(loss):
            raise GradientError(f"output_loss_and_gradients says that the loss is {again}, output_loss {loss}")
        return (dx,)

    return make_case(
        "output_loss (with bias)" if output_bias else "output_loss",
        forward,
        backward,
        seed=seed,
        activations={"x": (tokens, d_model)},
        spec=OutputParameters(embedding_spec(vocabulary, d_model).weight, bias),
        upstream=np.ones(()),  # the way back starts here: the loss's own gradient is 1
        xp=xp,
    )
