"""The whole model: embed, encode, decode, loss, and the way back (sections 3.1 to 3.5, figure 1).

Plain functions over a tree of parameters; class Transformer (model.py) owns a configuration and the parameters, and
is what users call.

Derivation. The parts' backwards run in reverse: loss, decoder, encoder. Where one thing is used several times its
gradients add up: the memory's over all decoder layers, and the table's over its three uses,

    dE = dE (output projection) + dE (target embedding) + dE (source embedding)
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, ids_to_device
from numpy_transformer.layers.attention import causal_mask
from numpy_transformer.layers.dropout import DropoutCache, dropout_backward, dropout_forward
from numpy_transformer.layers.embedding import (
    EmbeddingParameters,
    embedding_backward,
    embedding_spec,
    input_embedding_forward,
)
from numpy_transformer.layers.layer_norm import (
    LayerNormCache,
    LayerNormParameters,
    layer_norm_backward,
    layer_norm_forward,
    layer_norm_spec,
)
from numpy_transformer.layers.output_loss import output_loss
from numpy_transformer.models.blocks import (
    NO_DROPOUT,
    Dropouts,
    decoder_layer_backward,
    decoder_layer_forward,
    decoder_layer_spec,
    encoder_layer_backward,
    encoder_layer_forward,
    encoder_layer_spec,
)
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.recompute import layer_cache, layer_forward


class TransformerParameters(NamedTuple):
    embedding: Any  # EmbeddingParameters (V, D): source, target and output projection
    encoder: Any  # a tuple of EncoderLayerParameters
    encoder_norm: Any  # LayerNormParameters behind the last layer (pre-norm), else None
    decoder: Any  # a tuple of DecoderLayerParameters
    decoder_norm: Any  # LayerNormParameters behind the last layer (pre-norm), else None


def transformer_spec(config: TransformerConfig) -> TransformerParameters:
    """The shape and the first value of every parameter of a model."""
    last_norm = layer_norm_spec(config.d_model) if config.norm == "pre" else None
    return TransformerParameters(
        embedding=embedding_spec(config.vocabulary_size, config.d_model, output_bias=config.output_bias),
        encoder=tuple(encoder_layer_spec(config) for _ in range(config.encoder_layers)),
        encoder_norm=last_norm,
        decoder=tuple(decoder_layer_spec(config) for _ in range(config.decoder_layers)),
        decoder_norm=last_norm,
    )


# --- Embed: scaled table rows + positions, dropout (sections 3.4, 3.5, 5.4) ---


class EmbedCache(NamedTuple):
    ids: Array
    dropout: DropoutCache | None


def embed_forward(ids: Array, parameters: EmbeddingParameters, *, dropouts: Dropouts) -> tuple[Array, EmbedCache]:
    """ids (B, T) -> (B, T, D)."""
    x, ids = input_embedding_forward(ids, parameters)
    x, dropout = dropout_forward(x, dropouts.residual)
    return x, EmbedCache(ids, dropout)


def embed_backward(dy: Array, cache: EmbedCache, gradients: EmbeddingParameters) -> None:
    """dy (B, T, D) -> ADDS to the shared table's gradient."""
    embedding_backward(dropout_backward(dy, cache.dropout), cache.ids, gradients)


# --- Encoder: source ids to memory ---


class EncoderCache(NamedTuple):
    embed: EmbedCache
    layers: tuple[Any, ...]  # EncoderLayerCache, or Recomputed in its place
    norm: LayerNormCache | None


def encoder_forward(
    source: Array,
    parameters: TransformerParameters,
    config: TransformerConfig,
    *,
    dropouts: Dropouts,
    recompute: bool = False,
) -> tuple[Array, EncoderCache]:
    """source ids (B, S) -> memory (B, S, D). With `recompute` no layer keeps its cache (recompute.py)."""
    mask = source_mask(source, config)
    x, embed = embed_forward(source, parameters.embedding, dropouts=dropouts)
    layers = []
    for layer in parameters.encoder:
        forward = partial(encoder_layer_forward, x, layer, config, mask=mask)
        x, cache = layer_forward(forward, dropouts, recompute=recompute)
        layers.append(cache)
    x, norm = _last_norm_forward(x, parameters.encoder_norm)
    return x, EncoderCache(embed, tuple(layers), norm)


def encoder_backward(
    dmemory: Array, cache: EncoderCache, parameters: TransformerParameters, gradients: TransformerParameters
) -> None:
    """dmemory (B, S, D) -> writes the encoder's gradients and adds to the embedding's."""
    dx = _last_norm_backward(dmemory, cache.norm, parameters.encoder_norm, gradients.encoder_norm)
    layers = zip(cache.layers, parameters.encoder, gradients.encoder, strict=True)
    for kept, layer, layer_gradients in reversed(list(layers)):
        dx = encoder_layer_backward(dx, layer_cache(kept), layer, layer_gradients)
    embed_backward(dx, cache.embed, gradients.embedding)


def source_mask(source: Array, config: TransformerConfig) -> Array:
    """(B, 1, 1, S), True at real tokens: broadcasts over heads and queries."""
    return (source != config.pad_id)[:, None, None, :]


# --- Decoder: memory and the target words so far to one vector per position ---


class DecoderCache(NamedTuple):
    embed: EmbedCache
    layers: tuple[Any, ...]  # DecoderLayerCache, or Recomputed in its place
    norm: LayerNormCache | None


def decoder_forward(
    target_input: Array,
    memory: Array,
    source: Array,
    parameters: TransformerParameters,
    config: TransformerConfig,
    *,
    dropouts: Dropouts,
    recompute: bool = False,
) -> tuple[Array, DecoderCache]:
    """target ids (B, T) beginning with bos, memory (B, S, D), source ids (B, S) -> (B, T, D).

    Padding stands behind the real tokens, so the causal mask alone keeps every real position from seeing it.
    """
    self_mask = causal_mask(target_input.shape[1], memory)
    memory_mask = source_mask(source, config)
    x, embed = embed_forward(target_input, parameters.embedding, dropouts=dropouts)
    layers = []
    for layer in parameters.decoder:
        forward = partial(decoder_layer_forward, x, memory, layer, config, self_mask=self_mask, memory_mask=memory_mask)
        x, cache = layer_forward(forward, dropouts, recompute=recompute)
        layers.append(cache)
    x, norm = _last_norm_forward(x, parameters.decoder_norm)
    return x, DecoderCache(embed, tuple(layers), norm)


def decoder_backward(
    dy: Array, cache: DecoderCache, parameters: TransformerParameters, gradients: TransformerParameters
) -> Array:
    """dy (B, T, D) -> dmemory (B, S, D); writes the decoder's gradients and adds to the embedding's."""
    dx = _last_norm_backward(dy, cache.norm, parameters.decoder_norm, gradients.decoder_norm)
    dmemory = array_module(dy).zeros((), dtype=dy.dtype)
    layers = zip(cache.layers, parameters.decoder, gradients.decoder, strict=True)
    for kept, layer, layer_gradients in reversed(list(layers)):
        dx, dmemory_part = decoder_layer_backward(dx, layer_cache(kept), layer, layer_gradients)
        dmemory = dmemory + dmemory_part  # every layer looks at the memory, so their gradients add up
    embed_backward(dx, cache.embed, gradients.embedding)
    return dmemory


def _last_norm_forward(x: Array, parameters: LayerNormParameters | None) -> tuple[Array, LayerNormCache | None]:
    return (x, None) if parameters is None else layer_norm_forward(x, parameters)


def _last_norm_backward(
    dy: Array,
    cache: LayerNormCache | None,
    parameters: LayerNormParameters | None,
    gradients: LayerNormParameters | None,
) -> Array:
    return dy if cache is None else layer_norm_backward(dy, cache, parameters, gradients)  # type: ignore[arg-type]


# --- The whole model ---


class TransformerCache(NamedTuple):
    encoder: EncoderCache
    decoder: DecoderCache
    dfinal: Any  # (N, D) the loss's gradient at the decoder's real positions; None without gradients
    positions: Array  # (N,) where these stand among the B * T positions


def transformer_forward(
    source: Array,
    target: Array,
    parameters: TransformerParameters,
    config: TransformerConfig,
    *,
    label_smoothing: float,
    token_count: int | None = None,
    dropouts: Dropouts = NO_DROPOUT,
    recompute: bool = False,
    gradients: TransformerParameters | None = None,
) -> tuple[Array, TransformerCache]:
    """source (B, S), target (B, 1 + T) host arrays of ids -> the loss (scalar array), cache.

    The loss is divided by `token_count`, by default the number of real target tokens here. Logits are computed for
    these only. With `gradients` given, the loss layer already assigns its part of the embedding's gradient
    (output_loss.py says why) and `transformer_backward` may follow; without, only the loss is computed.
    """
    xp = array_module(parameters.embedding.weight)
    labels = target[:, 1:].reshape(-1)
    real = np.flatnonzero(labels != config.pad_id)  # on the host, so that a GPU need not wait
    device_source, target_input, positions, gold = ids_to_device(xp, source, target[:, :-1], real, labels[real])

    memory, encoder = encoder_forward(device_source, parameters, config, dropouts=dropouts, recompute=recompute)
    y, decoder = decoder_forward(
        target_input, memory, device_source, parameters, config, dropouts=dropouts, recompute=recompute
    )
    final = y.reshape(-1, y.shape[-1])[positions]  # (N, D)
    loss, dfinal = output_loss(
        final,
        parameters.embedding,
        gold,
        label_smoothing=label_smoothing,
        token_count=len(real) if token_count is None else token_count,
        gradients=None if gradients is None else gradients.embedding,
    )
    return loss, TransformerCache(encoder, decoder, dfinal, positions)


def transformer_backward(
    cache: TransformerCache, parameters: TransformerParameters, gradients: TransformerParameters
) -> None:
    """The way back through decoder and encoder: writes all gradients but the output projection's, which stands."""
    dfinal, (B, T) = cache.dfinal, cache.decoder.embed.ids.shape
    dy = array_module(dfinal).zeros((B * T, dfinal.shape[1]), dtype=dfinal.dtype)
    dy[cache.positions] = dfinal  # positions that do not enter the loss have gradient 0
    dmemory = decoder_backward(dy.reshape(B, T, -1), cache.decoder, parameters, gradients)
    encoder_backward(dmemory, cache.encoder, parameters, gradients)
