"""The whole model: embed, encode, decode, loss, and the backward (sections 3.1 to 3.5, figure 1).

Plain functions over a tree of parameters; class Transformer (models/transformer.py) owns a configuration and the
parameters, and is what users call. Its `loss_and_gradients` is where forward turns into backward:

    final, cache = transformer_forward(...)              real target positions, one vector each
    loss, dfinal = output_loss_and_gradients(final, ...)
    transformer_backward(dfinal, cache, ...)

Derivation. The parts' backwards run in reverse: loss, decoder, encoder. Where one thing is used several times its
gradients add up: the memory's over all decoder layers, and the table's over its three uses,

    dE = dE (output projection) + dE (target embedding) + dE (source embedding)
"""

from functools import partial
from typing import Any, NamedTuple

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.dropout_masks import NO_DROPOUT, Dropouts
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
from numpy_transformer.layers.output_loss import OutputParameters
from numpy_transformer.layers.parameters import parameter, zeros
from numpy_transformer.models.blocks import (
    DecoderLayerParameters,
    EncoderLayerParameters,
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
    embedding: EmbeddingParameters  # (V, D): source, target and output projection
    encoder: tuple[EncoderLayerParameters, ...]
    encoder_norm: LayerNormParameters | None  # after the last layer (pre-norm)
    decoder: tuple[DecoderLayerParameters, ...]
    decoder_norm: LayerNormParameters | None  # after the last layer (pre-norm)
    output_bias: Array | None = None  # (V,) added to the logits; the paper has none


def transformer_spec(config: TransformerConfig) -> TransformerParameters:
    """The shape and initial value of every parameter of a model."""
    last_norm = layer_norm_spec(config.d_model) if config.norm == "pre" else None
    return TransformerParameters(
        embedding=embedding_spec(config.vocabulary_size, config.d_model),
        encoder=tuple(encoder_layer_spec(config) for _ in range(config.encoder_layers)),
        encoder_norm=last_norm,
        decoder=tuple(decoder_layer_spec(config) for _ in range(config.decoder_layers)),
        decoder_norm=last_norm,
        output_bias=parameter((config.vocabulary_size,), zeros) if config.output_bias else None,
    )


def output_parameters(parameters: TransformerParameters) -> OutputParameters:
    """The output projection: the embedding's table once more, and its bias, if any."""
    return OutputParameters(parameters.embedding.weight, parameters.output_bias)


# --- Embed: scaled table rows + positions, dropout (sections 3.4, 3.5, 5.4) ---


class EmbedCache(NamedTuple):
    ids: Array
    dropout: DropoutCache | None
    learned: Array | None = None  # (B, T, 1), False where the embedding is a constant; None: nowhere


def embed_forward(ids: Array, parameters: EmbeddingParameters, *, dropouts: Dropouts) -> tuple[Array, EmbedCache]:
    """ids (B, T) -> (B, T, D)."""
    x, dropout = dropout_forward(input_embedding_forward(ids, parameters), dropouts.residual)
    return x, EmbedCache(ids, dropout)


def embed_backward(dy: Array, cache: EmbedCache, gradients: EmbeddingParameters) -> None:
    """dy (B, T, D) -> ADDS to the shared table's gradient."""
    dx = dropout_backward(dy, cache.dropout)
    embedding_backward(dx if cache.learned is None else dx * cache.learned, cache.ids, gradients)


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
    memory: Array  # (B, S, D)
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

    Padding follows the real tokens, so the causal mask alone keeps every real position from seeing it.
    """
    self_mask = causal_mask(target_input.shape[1], memory)
    memory_mask = source_mask(source, config)
    x, embed = embed_forward(target_input, parameters.embedding, dropouts=dropouts)
    if config.constant_start:
        embed = embed._replace(learned=(target_input != config.bos_id)[..., None])
    layers = []
    for layer in parameters.decoder:
        forward = partial(decoder_layer_forward, x, memory, layer, config, self_mask=self_mask, memory_mask=memory_mask)
        x, cache = layer_forward(forward, dropouts, recompute=recompute)
        layers.append(cache)
    x, norm = _last_norm_forward(x, parameters.decoder_norm)
    return x, DecoderCache(embed, memory, tuple(layers), norm)


def decoder_backward(
    dy: Array, cache: DecoderCache, parameters: TransformerParameters, gradients: TransformerParameters
) -> Array:
    """dy (B, T, D) -> dmemory (B, S, D); writes the decoder's gradients and adds to the embedding's."""
    dx = _last_norm_backward(dy, cache.norm, parameters.decoder_norm, gradients.decoder_norm)
    dmemory = array_module(dy).zeros_like(cache.memory)
    layers = zip(cache.layers, parameters.decoder, gradients.decoder, strict=True)
    for kept, layer, layer_gradients in reversed(list(layers)):
        dx = decoder_layer_backward(dx, layer_cache(kept), layer, layer_gradients, dmemory=dmemory)
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
    if cache is None or parameters is None or gradients is None:
        return dy
    return layer_norm_backward(dy, cache, parameters, gradients)


# --- The whole model, up to the vectors that enter the loss ---


class TransformerCache(NamedTuple):
    encoder: EncoderCache
    decoder: DecoderCache
    positions: Array  # (N,) the real positions among the B * T


def transformer_forward(
    source: Array,
    target_input: Array,
    positions: Array,
    parameters: TransformerParameters,
    config: TransformerConfig,
    *,
    dropouts: Dropouts = NO_DROPOUT,
    recompute: bool = False,
) -> tuple[Array, TransformerCache]:
    """source ids (B, S), target ids (B, T) beginning with bos -> the decoder's output (N, D) at `positions`, cache.

    `positions` (N,) are those of the B * T that have a real token to predict; the others never enter the loss.
    """
    memory, encoder = encoder_forward(source, parameters, config, dropouts=dropouts, recompute=recompute)
    y, decoder = decoder_forward(
        target_input, memory, source, parameters, config, dropouts=dropouts, recompute=recompute
    )
    return y.reshape(-1, y.shape[-1])[positions], TransformerCache(encoder, decoder, positions)


def transformer_backward(
    dfinal: Array, cache: TransformerCache, parameters: TransformerParameters, gradients: TransformerParameters
) -> None:
    """dfinal (N, D) -> all gradients. It ADDS to the embedding's, which already holds the output projection's part."""
    B, T = cache.decoder.embed.ids.shape
    dy = array_module(dfinal).zeros((B * T, dfinal.shape[1]), dtype=dfinal.dtype)
    dy[cache.positions] = dfinal  # positions that do not enter the loss have gradient 0
    dmemory = decoder_backward(dy.reshape(B, T, -1), cache.decoder, parameters, gradients)
    encoder_backward(dmemory, cache.encoder, parameters, gradients)
