"""Cases for whole blocks and for the whole model; they are checked along random directions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.gradcheck.attention_cases import attention_mask
from numpy_transformer.gradcheck.case import Case, Inputs, make_case, recipe
from numpy_transformer.gradcheck.masks import draw_dropouts
from numpy_transformer.layers.attention import causal_mask
from numpy_transformer.layers.output_loss import output_loss, output_loss_and_gradients
from numpy_transformer.models.blocks import (
    decoder_layer_backward,
    decoder_layer_forward,
    decoder_layer_spec,
    encoder_layer_backward,
    encoder_layer_forward,
    encoder_layer_spec,
)
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.encoder_decoder import (
    output_parameters,
    sound_transformer_spec,
    transformer_backward,
    transformer_forward,
    transformer_spec,
)


def small_config(**changes: Any) -> TransformerConfig:
    """A complete model of a few hundred numbers, with every kind of layer, and all sizes different."""
    sizes = {"vocabulary_size": 11, "encoder_layers": 1, "decoder_layers": 1, "d_model": 6, "d_ff": 10, "heads": 2}
    return TransformerConfig(**(sizes | changes))


def draw_batch(
    source_lengths: Sequence[int], target_lengths: Sequence[int], config: TransformerConfig, seed: int
) -> tuple[Array, Array]:
    """source (B, S) and target (B, 1 + T): random words between bos and eos, padded at the end.

    A target length counts the tokens that enter the loss (eos among them); 0 is a sentence of padding only.
    """
    rng = np.random.default_rng(seed)
    source = np.full((len(source_lengths), max(source_lengths)), config.pad_id)
    target = np.full((len(target_lengths), 1 + max(target_lengths)), config.pad_id)
    for row, (S, T) in enumerate(zip(source_lengths, target_lengths, strict=True)):
        source[row, :S] = rng.integers(3, config.vocabulary_size, S)
        if T:
            target[row, : T + 1] = rng.integers(3, config.vocabulary_size, T + 1)
            target[row, 0], target[row, T] = config.bos_id, config.eos_id
    return source, target


def draw_vectors(lengths: Sequence[int], features: int, seed: int) -> Array:
    """Random feature vectors (B, S, F), zeros at the end."""
    vectors = np.random.default_rng(seed).standard_normal((len(lengths), max(lengths), features))
    vectors[np.arange(max(lengths)) >= np.array(lengths)[:, None]] = 0
    return vectors


@recipe
def encoder_layer(
    *,
    seed: int,
    norm: str = "post",
    lengths: Sequence[int] = (4, 2),
    dropout: float = 0.3,
    heads: int = 2,
    d_model: int = 6,
    xp: Any,
) -> Case:
    """One encoder layer: self-attention and feed-forward, each with residual and norm."""
    config = small_config(norm=norm, heads=heads, d_model=d_model)
    B, S = len(lengths), max(lengths)
    mask = attention_mask("padding", lengths, 1, S, xp)

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return encoder_layer_forward(a["x"], p, config, mask=mask, dropouts=draw_dropouts(dropout, seed, xp))

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        return (encoder_layer_backward(dy, cache, p, g),)

    return make_case(
        f"encoder_layer ({norm}-norm)",
        forward,
        backward,
        seed=seed,
        activations={"x": (B, S, d_model)},
        spec=encoder_layer_spec(config),
        xp=xp,
    )


@recipe
def decoder_layer(
    *,
    seed: int,
    norm: str = "post",
    source_lengths: Sequence[int] = (4, 2),
    target_length: int = 3,
    dropout: float = 0.3,
    heads: int = 2,
    d_model: int = 6,
    xp: Any,
) -> Case:
    """One decoder layer; its gradient flows into x and into the memory."""
    config = small_config(norm=norm, heads=heads, d_model=d_model)
    B, S, T = len(source_lengths), max(source_lengths), target_length
    memory_mask = attention_mask("padding", source_lengths, 1, S, xp)
    self_mask = causal_mask(T, xp.zeros(0))

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return decoder_layer_forward(
            a["x"],
            p,
            config,
            memory=a["memory"],
            self_mask=self_mask,
            memory_mask=memory_mask,
            dropouts=draw_dropouts(dropout, seed, xp),
        )

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        dmemory = xp.zeros_like(cache.cross_attention.sublayer.memory)
        return decoder_layer_backward(dy, cache, p, g, dmemory=dmemory), dmemory

    return make_case(
        f"decoder_layer ({norm}-norm)",
        forward,
        backward,
        seed=seed,
        activations={"x": (B, T, d_model), "memory": (B, S, d_model)},
        spec=decoder_layer_spec(config),
        xp=xp,
    )


@recipe
def transformer(
    *,
    seed: int,
    norm: str = "post",
    source_lengths: Sequence[int] = (4, 2, 3),
    target_lengths: Sequence[int] = (3, 4, 2),
    layers: int = 1,
    dropout: float = 0.3,
    label_smoothing: float = 0.1,
    token_count: int | None = None,
    imported: bool = False,
    features: int = 0,
    xp: Any,
) -> Case:
    """The whole model: ids to loss. The embedding is one table in three places, so its gradient has three parts.

    `imported` sets what only imported models have: swish, and a bias after the output projection. With `features` the
    source is a sequence of vectors of so many numbers, as in sound.
    """
    config = small_config(norm=norm, encoder_layers=layers, decoder_layers=layers, output_bias=imported)
    config = config.replace(activation="swish" if imported else "relu", source_features=features)
    source, target = draw_batch(source_lengths, target_lengths, config, seed + 1)
    source = draw_vectors(source_lengths, features, seed + 2) if features else source

    labels = target[:, 1:].reshape(-1)
    real = np.flatnonzero(labels != config.pad_id)
    given, target_input, positions = (xp.asarray(x) for x in (source, target[:, :-1], real))
    gold = xp.asarray(labels[real])
    token_count = len(real) if token_count is None else token_count
    options: dict[str, Any] = {"label_smoothing": label_smoothing, "token_count": token_count}

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        dropouts = draw_dropouts(dropout, seed, xp)
        read = given.astype(p.embedding.weight.dtype) if features else given
        final, cache = transformer_forward(read, target_input, positions, p, config, dropouts=dropouts)
        return output_loss(final, output_parameters(p), gold, **options), (final, cache)

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        final, inner = cache
        _, dfinal = output_loss_and_gradients(final, output_parameters(p), gold, output_parameters(g), **options)
        transformer_backward(dfinal, inner, p, g)
        return ()

    return make_case(
        f"transformer ({norm}-norm{', sound' if features else ''})",
        forward,
        backward,
        seed=seed,
        activations={},
        spec=sound_transformer_spec(config) if features else transformer_spec(config),
        upstream=np.ones(()),
        xp=xp,
    )
