"""Case builders for two passes that must agree (layers/consistency.py); see layer_cases.py."""

from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.gradcheck.case import Case, GradientError, Inputs, make_case, recipe
from numpy_transformer.layers.consistency import (
    consistency_backward,
    consistency_forward,
    consistent_loss_and_gradients,
)
from numpy_transformer.layers.cross_entropy import cross_entropy_forward
from numpy_transformer.layers.embedding import embedding_spec
from numpy_transformer.layers.output_loss import OutputParameters, output_projection
from numpy_transformer.layers.parameters import parameter, zeros


@recipe
def consistency(
    *,
    seed: int,
    tokens: int = 3,
    vocabulary: int = 6,
    token_count: int | None = None,
    scale: float = 1.0,
    xp: Any,
) -> Case:
    """How far two passes of each position are apart: the logits of both, in neighbouring rows -> a scalar."""
    token_count = 2 * tokens if token_count is None else token_count

    def forward(a: Inputs, _: Any) -> tuple[Array, Any]:
        return consistency_forward(a["logits"], token_count=token_count)

    def backward(dy: Array, cache: Any, *_: Any) -> tuple[Array, ...]:
        return (consistency_backward(float(dy), cache),)

    shape = {"logits": (2 * tokens, vocabulary)}
    return make_case("consistency", forward, backward, seed=seed, activations=shape, scale=scale, xp=xp)


@recipe
def consistent_loss(
    *,
    seed: int,
    tokens: int = 3,
    vocabulary: int = 6,
    d_model: int = 4,
    label_smoothing: float = 0.1,
    weight: float = 5.0,
    output_bias: bool = False,
    xp: Any,
) -> Case:
    """Projection, losses of two passes and their consistency: the forward is written out, without chunks."""
    targets = xp.asarray(np.random.default_rng(seed + 1).integers(0, vocabulary, tokens).repeat(2))
    count = 2 * tokens + 1
    bias = parameter((vocabulary,), zeros) if output_bias else None

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        logits = output_projection(a["x"], p)
        entropy, _ = cross_entropy_forward(logits, targets, label_smoothing=label_smoothing, token_count=count)
        loss = entropy + weight * consistency_forward(logits, token_count=count)[0]
        return loss, (a["x"], loss)

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        x, loss = cache
        again, dx = consistent_loss_and_gradients(
            x, p, targets, g, consistency=weight, label_smoothing=label_smoothing, token_count=count
        )
        if not abs(again - loss) <= 1e-4 * abs(loss):
            raise GradientError(f"consistent_loss_and_gradients says that the loss is {again}; it is {loss}")
        return (dx,)

    return make_case(
        "consistent_loss (with bias)" if output_bias else "consistent_loss",
        forward,
        backward,
        seed=seed,
        activations={"x": (2 * tokens, d_model)},
        spec=OutputParameters(embedding_spec(vocabulary, d_model).weight, bias),
        upstream=np.ones(()),  # the way back starts here, as in projection_loss
        xp=xp,
    )
