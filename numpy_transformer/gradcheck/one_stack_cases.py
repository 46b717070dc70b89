"""Cases for the models of one stack: the decoder alone and the encoder alone, from ids to loss."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.gradcheck.case import Case, Inputs, make_case, recipe
from numpy_transformer.gradcheck.masks import draw_dropouts
from numpy_transformer.gradcheck.model_cases import small_config
from numpy_transformer.layers.attention import causal_mask
from numpy_transformer.layers.output_loss import OutputParameters, output_loss, output_loss_and_gradients
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.decoder_only import language_model_spec
from numpy_transformer.models.encoder_only import encoder_spec, projection_of, reading_backward, reading_forward
from numpy_transformer.models.one_stack import one_stack_backward, one_stack_forward, rows_backward

LEARNED: dict[str, Any] = {"positions": "learned", "context": 6, "activation": "gelu_tanh"}


def draw_texts(lengths: Sequence[int], config: TransformerConfig, seed: int) -> Array:
    """Random words (B, T), padded at the end."""
    ids = np.random.default_rng(seed).integers(3, config.vocabulary_size, (len(lengths), max(lengths)))
    ids[np.arange(max(lengths)) >= np.array(lengths)[:, None]] = config.pad_id
    return ids


@recipe
def language_model(
    *,
    seed: int,
    norm: str = "post",
    lengths: Sequence[int] = (4, 2, 5),
    layers: int = 1,
    dropout: float = 0.3,
    label_smoothing: float = 0.1,
    learned: bool = False,
    xp: Any,
) -> Case:
    """The decoder alone: each token from those before it. `learned`: positions and GELU as in GPT-2."""
    config = small_config(norm=norm, decoder_layers=layers, **(LEARNED if learned else {}))
    ids = draw_texts(lengths, config, seed + 1)
    gold = ids[:, 1:].reshape(-1)
    real = np.flatnonzero(gold != config.pad_id)
    before, positions, right = (xp.asarray(x) for x in (ids[:, :-1], real, gold[real]))

    def stack(p: Any) -> tuple[Array, Any]:
        mask = causal_mask(before.shape[1], p.embedding.weight)
        y, cache = one_stack_forward(before, p, config, mask=mask, dropouts=draw_dropouts(dropout, seed, xp))
        return y.reshape(-1, config.d_model)[positions], cache

    def back(dfinal: Array, cache: Any, p: Any, g: Any) -> None:
        one_stack_backward(rows_backward(dfinal, positions, before), cache, p, g)

    return _loss_case(
        f"language_model ({norm}-norm{', learned positions' if learned else ''})",
        (stack, back),
        lambda p: OutputParameters(p.embedding.weight),
        right,
        language_model_spec(config),
        label_smoothing=label_smoothing,
        seed=seed,
        xp=xp,
    )


@recipe
def encoder(
    *,
    seed: int,
    norm: str = "post",
    head: str = "words",
    lengths: Sequence[int] = (4, 2, 5),
    layers: int = 1,
    dropout: float = 0.3,
    label_smoothing: float = 0.0,
    pooling: str = "mean",
    learned: bool = False,
    xp: Any,
) -> Case:
    """The encoder alone: masked words, or the class of each text. `learned`: positions, types and GELU as in BERT."""
    extra = LEARNED | {"token_types": 2, "activation": "gelu"} if learned else {}
    config = small_config(norm=norm, encoder_layers=layers, labels=("a", "b", "c"), pooling=pooling, **extra)
    words = head == "words"
    ids = draw_texts(lengths, config, seed + 1)
    rng = np.random.default_rng(seed + 2)
    masked = np.flatnonzero((ids != config.pad_id).reshape(-1) & (rng.random(ids.size) < 0.5))
    right = rng.integers(3, config.vocabulary_size, len(masked)) if words else rng.integers(0, 3, len(lengths))
    on_device, right = xp.asarray(ids), xp.asarray(right)
    positions = xp.asarray(masked) if words else None

    def forward(p: Any) -> tuple[Array, Any]:
        return reading_forward(on_device, positions, p, config, dropouts=draw_dropouts(dropout, seed, xp))

    def back(dfinal: Array, cache: Any, p: Any, g: Any) -> None:
        reading_backward(dfinal, cache, p, g, config)

    return _loss_case(
        f"encoder ({norm}-norm, {head}{', learned positions' if learned else ''})",
        (forward, back),
        lambda p: projection_of(p, words=words),
        right,
        encoder_spec(config),
        label_smoothing=label_smoothing,
        adds=True,
        seed=seed,
        xp=xp,
    )


def _loss_case(
    name: str,
    model: tuple[Callable[[Any], tuple[Array, Any]], Callable[[Array, Any, Any, Any], None]],
    output: Callable[[Any], OutputParameters],
    right: Array,
    spec: Any,
    *,
    label_smoothing: float,
    seed: int,
    adds: bool = False,
    xp: Any,
) -> Case:
    """A model's forward and backward with the loss between them; `right` (N,) are the right predictions."""
    options: dict[str, Any] = {"label_smoothing": label_smoothing, "token_count": max(1, len(right))}

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        final, cache = model[0](p)
        return output_loss(final, output(p), right, **options), (final, cache)

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        final, inner = cache
        _, dfinal = output_loss_and_gradients(final, output(p), right, output(g), **options)
        model[1](dfinal, inner, p, g)
        return ()

    upstream = np.ones(())
    return make_case(name, forward, backward, seed=seed, activations={}, spec=spec, upstream=upstream, adds=adds, xp=xp)
