"""The whole model: embed, encode, decode, loss, and the backward (sections 3.1 to 3.5, figure 1).

Plain functions over a tree of parameters; class Transformer (models/transformer.py) owns a configuration and the
parameters, and is what users call. Its `loss_and_gradients` is where forward turns into backward:

    final, cache = transformer_forward(...)              real target positions, one vector each
    loss, dfinal = output_loss_and_gradients(final, ...)
    transformer_backward(dfinal, cache, ...)

Derivation. The parts' backwards run in reverse: loss, decoder, encoder. Where one thing is used several times its
gradients add up: the memory's over all decoder layers, and the table's over its three uses,

    dE = dE (output projection) + dE (target embedding) + dE (source embedding)

Where the source is a sequence of feature vectors, as in sound, a linear layer (layers/feature_projection.py) takes the
source embedding's place, and the table's third use falls away.
"""

from functools import partial
from typing import NamedTuple

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.dropout_masks import NO_DROPOUT, Dropouts
from numpy_transformer.errors import InputError
from numpy_transformer.layers.attention import causal_mask
from numpy_transformer.layers.dropout import DropoutCache, dropout_backward, dropout_forward
from numpy_transformer.layers.embedding import (
    EmbeddingParameters,
    embedding_backward,
    embedding_spec,
    input_embedding_forward,
)
from numpy_transformer.layers.feature_projection import feature_projection_backward, feature_projection_forward
from numpy_transformer.layers.layer_norm import LayerNormParameters, layer_norm_spec
from numpy_transformer.layers.linear import LinearParameters, linear_spec
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
from numpy_transformer.models.config import NO_PADDING, TransformerConfig
from numpy_transformer.models.stack import StackCache, stack_backward, stack_forward


class TransformerParameters(NamedTuple):
    embedding: EmbeddingParameters  # (V, D): source, target and output projection
    encoder: tuple[EncoderLayerParameters, ...]
    encoder_norm: LayerNormParameters | None  # after the last layer (pre-norm)
    decoder: tuple[DecoderLayerParameters, ...]
    decoder_norm: LayerNormParameters | None  # after the last layer (pre-norm)
    output_bias: Array | None = None  # (V,) added to the logits; the paper has none
    feature_projection: LinearParameters | None = None  # (F, D) of a source of vectors; the paper's are tokens


def transformer_spec(config: TransformerConfig) -> TransformerParameters:
    """The shape and initial value of every parameter of a model. Raises InputError for options of other models."""
    if config.source_features:
        raise InputError(f"source_features is {config.source_features}; a Transformer has 0: use SoundTransformer")
    return _encoder_decoder_spec(config)


def sound_transformer_spec(config: TransformerConfig) -> TransformerParameters:
    """The same for a source of feature vectors."""
    if not config.source_features:
        raise InputError("source_features is 0; a SoundTransformer needs how many numbers a vector has")
    projection = linear_spec(config.source_features, config.d_model)
    return _encoder_decoder_spec(config)._replace(feature_projection=projection)


def _encoder_decoder_spec(config: TransformerConfig) -> TransformerParameters:
    for field in ("positions", "token_types", "norm_epsilon", "labels"):
        value, usual = getattr(config, field), getattr(TransformerConfig, field)
        if value != usual:
            raise InputError(f"{field} is {value!r}; a Transformer has {usual!r}: use LanguageModel or Encoder")
    if config.pad_id == NO_PADDING:
        raise InputError("pad_id is -1; a Transformer needs a token for padding")
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


# --- The same for a source of feature vectors: linear layer + positions, dropout ---


class ProjectCache(NamedTuple):
    features: Array  # (B, S, F)
    dropout: DropoutCache | None


def project_forward(features: Array, parameters: LinearParameters, *, dropouts: Dropouts) -> tuple[Array, ProjectCache]:
    """features (B, S, F) -> (B, S, D)."""
    x, dropout = dropout_forward(feature_projection_forward(features, parameters), dropouts.residual)
    return x, ProjectCache(features, dropout)


def project_backward(
    dy: Array, cache: ProjectCache, parameters: LinearParameters, gradients: LinearParameters
) -> Array:
    """dy (B, S, D) -> dfeatures (B, S, F), which ends here; writes the linear layer's gradients."""
    dx = dropout_backward(dy, cache.dropout)
    return feature_projection_backward(dx, cache.features, parameters, gradients)


# --- Encoder: source ids, or feature vectors, to memory ---


class EncoderCache(NamedTuple):
    source: EmbedCache | ProjectCache
    stack: StackCache


def source_forward(
    source: Array, parameters: TransformerParameters, *, dropouts: Dropouts
) -> tuple[Array, EmbedCache | ProjectCache]:
    """source ids (B, S) or feature vectors (B, S, F) -> (B, S, D), what enters the encoder."""
    if parameters.feature_projection is None:
        return embed_forward(source, parameters.embedding, dropouts=dropouts)
    return project_forward(source, parameters.feature_projection, dropouts=dropouts)


def encoder_forward(
    source: Array,
    parameters: TransformerParameters,
    config: TransformerConfig,
    *,
    dropouts: Dropouts,
    recompute: bool = False,
) -> tuple[Array, EncoderCache]:
    """source -> memory (B, S, D). With `recompute` no layer keeps its cache (recompute.py)."""
    x, entered = source_forward(source, parameters, dropouts=dropouts)
    layer = partial(encoder_layer_forward, config=config, mask=source_mask(source, config))
    memory, stack = stack_forward(
        x, parameters.encoder, parameters.encoder_norm, layer, dropouts=dropouts, recompute=recompute
    )
    return memory, EncoderCache(entered, stack)


def encoder_backward(
    dmemory: Array, cache: EncoderCache, parameters: TransformerParameters, gradients: TransformerParameters
) -> None:
    """dmemory (B, S, D) -> writes the encoder's gradients, and adds to the embedding's or writes the projection's."""
    p, g = parameters, gradients
    stack = (p.encoder, p.encoder_norm), (g.encoder, g.encoder_norm)
    dx = stack_backward(dmemory, cache.stack, *stack, encoder_layer_backward)
    if isinstance(cache.source, EmbedCache):
        embed_backward(dx, cache.source, g.embedding)
    else:
        assert p.feature_projection is not None
        assert g.feature_projection is not None
        project_backward(dx, cache.source, p.feature_projection, g.feature_projection)


def real_positions(source: Array, config: TransformerConfig) -> Array:
    """(B, S), True where the source is no padding: ids (B, S) other than pad_id, vectors (B, S, F) not all zeros."""
    return source != config.pad_id if source.ndim == 2 else (source != 0).any(axis=2)


def source_mask(source: Array, config: TransformerConfig) -> Array:
    """(B, 1, 1, S), True at real positions: broadcasts over heads and queries."""
    return real_positions(source, config)[:, None, None, :]


# --- Decoder: memory and the target words so far to one vector per position ---


class DecoderCache(NamedTuple):
    embed: EmbedCache
    memory: Array  # (B, S, D)
    stack: StackCache


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
    """target ids (B, T) beginning with bos, memory (B, S, D), source ids or vectors -> (B, T, D).

    Padding follows the real tokens, so the causal mask alone keeps every real position from seeing it.
    """
    x, embed = embed_forward(target_input, parameters.embedding, dropouts=dropouts)
    if config.constant_start:
        embed = embed._replace(learned=(target_input != config.bos_id)[..., None])
    layer = partial(
        decoder_layer_forward,
        memory=memory,
        config=config,
        self_mask=causal_mask(target_input.shape[1], memory),
        memory_mask=source_mask(source, config),
    )
    y, stack = stack_forward(
        x, parameters.decoder, parameters.decoder_norm, layer, dropouts=dropouts, recompute=recompute
    )
    return y, DecoderCache(embed, memory, stack)


def decoder_backward(
    dy: Array, cache: DecoderCache, parameters: TransformerParameters, gradients: TransformerParameters
) -> Array:
    """dy (B, T, D) -> dmemory (B, S, D); writes the decoder's gradients and adds to the embedding's."""
    p, g = parameters, gradients
    stack = (p.decoder, p.decoder_norm), (g.decoder, g.decoder_norm)
    dmemory = array_module(dy).zeros_like(cache.memory)
    dx = stack_backward(dy, cache.stack, *stack, partial(decoder_layer_backward, dmemory=dmemory))
    embed_backward(dx, cache.embed, gradients.embedding)
    return dmemory


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
    """source ids (B, S) or feature vectors (B, S, F), target ids (B, T) beginning with bos -> the decoder's output
    (N, D) at `positions`, cache.

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
