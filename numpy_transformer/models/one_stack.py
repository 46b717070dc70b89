"""A model of one stack: embed, then layers of self-attention and feed-forward. Its mask makes it one or the other:

    causal     a position sees those before it and itself:  the decoder alone (decoder_only.py)
    padding    a position sees all real tokens:             the encoder alone (encoder_only.py)

The layers are the paper's encoder layers (blocks.py): with a causal mask, one is a decoder layer that has no memory to
look at.

    x = scale E[id] + position [+ type's vector] [norm]      scale sqrt(D) with sinusoids, 1 with learned positions
    y = the stack's output                                   (stack.py)

Derivation. Stack, norm and dropout run in reverse; a sum hands its gradient to each of its terms, so dx reaches the
table, the positions and the types alike.
"""

from functools import partial
from typing import NamedTuple

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.dropout_masks import NO_DROPOUT, Dropouts
from numpy_transformer.errors import InputError
from numpy_transformer.layers.dropout import DropoutCache, dropout_backward, dropout_forward
from numpy_transformer.layers.embedding import (
    EmbeddingParameters,
    embedding_backward,
    embedding_forward,
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
from numpy_transformer.layers.learned_positions import (
    PositionParameters,
    learned_positions_backward,
    learned_positions_forward,
    learned_positions_spec,
)
from numpy_transformer.models.blocks import (
    EncoderLayerParameters,
    encoder_layer_backward,
    encoder_layer_forward,
    encoder_layer_spec,
)
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.stack import StackCache, stack_backward, stack_forward

LEARNED_DEVIATION = 0.02  # of tables beside learned positions, as in GPT-2 and BERT


class InputParameters(NamedTuple):
    """What turns ids into vectors, beside the embedding."""

    positions: PositionParameters | None  # None: sinusoids
    token_types: EmbeddingParameters | None
    norm: LayerNormParameters | None


class OneStackParameters(NamedTuple):
    embedding: EmbeddingParameters  # (V, D), also the output projection
    input: InputParameters
    layers: tuple[EncoderLayerParameters, ...]
    last_norm: LayerNormParameters | None  # after the last layer (pre-norm)


class OneStackCache(NamedTuple):
    ids: Array  # (B, T)
    types: Array | None  # (B, T)
    norm: LayerNormCache | None
    dropout: DropoutCache | None
    stack: StackCache


def one_stack_spec(config: TransformerConfig, *, layers: int) -> OneStackParameters:
    """The shape and initial value of every parameter."""
    if config.output_bias:
        raise InputError("output_bias is true; only a Transformer can have it")
    if config.source_features:
        raise InputError(f"source_features is {config.source_features}; only a SoundTransformer can have it")
    if config.consistency:
        raise InputError(f"consistency is {config.consistency}; only a Transformer can have it")
    D = config.d_model
    positions = types = norm = deviation = None
    if config.positions == "learned":
        deviation = LEARNED_DEVIATION
        positions = learned_positions_spec(config.context or 0, D, deviation=deviation)
        norm = layer_norm_spec(D) if config.norm == "post" else None
    if config.token_types:
        types = embedding_spec(config.token_types, D, deviation=deviation)
    return OneStackParameters(
        embedding=embedding_spec(config.vocabulary_size, D, deviation=deviation),
        input=InputParameters(positions, types, norm),
        layers=tuple(encoder_layer_spec(config) for _ in range(layers)),
        last_norm=layer_norm_spec(D) if config.norm == "pre" else None,
    )


def one_stack_forward(
    ids: Array,
    parameters: OneStackParameters,
    config: TransformerConfig,
    *,
    mask: Array,
    types: Array | None = None,
    dropouts: Dropouts = NO_DROPOUT,
    recompute: bool = False,
) -> tuple[Array, OneStackCache]:
    """ids (B, T), `types` of the tokens (B, T) if the model has such -> (B, T, D).

    `mask` broadcasts to (B, H, T, T), True where a position may see another.
    """
    positions, norm = parameters.input.positions, None
    if positions is None:
        x = input_embedding_forward(ids, parameters.embedding)
    else:
        x = learned_positions_forward(embedding_forward(ids, parameters.embedding, scale=1), positions)
    if parameters.input.token_types is not None:
        types = array_module(x).zeros(ids.shape, dtype=ids.dtype) if types is None else types
        x += embedding_forward(types, parameters.input.token_types, scale=1)
    if parameters.input.norm is not None:
        x, norm = layer_norm_forward(x, parameters.input.norm, epsilon=config.norm_epsilon)
    x, dropout = dropout_forward(x, dropouts.residual)
    y, stack = stack_forward(
        x,
        parameters.layers,
        parameters.last_norm,
        partial(encoder_layer_forward, config=config, mask=mask),
        dropouts=dropouts,
        recompute=recompute,
        epsilon=config.norm_epsilon,
    )
    return y, OneStackCache(ids, types, norm, dropout, stack)


def one_stack_backward(
    dy: Array, cache: OneStackCache, parameters: OneStackParameters, gradients: OneStackParameters
) -> None:
    """dy (B, T, D) -> all gradients. It ADDS to the embedding's, which already holds the output projection's part."""
    p, g = parameters, gradients
    dx = stack_backward(dy, cache.stack, (p.layers, p.last_norm), (g.layers, g.last_norm), encoder_layer_backward)
    dx = dropout_backward(dx, cache.dropout)
    if cache.norm is not None and p.input.norm is not None and g.input.norm is not None:
        dx = layer_norm_backward(dx, cache.norm, p.input.norm, g.input.norm)
    if cache.types is not None and g.input.token_types is not None:
        g.input.token_types.weight[...] = 0  # a table of its own: nothing was written to it yet
        embedding_backward(dx, cache.types, g.input.token_types, scale=1)
    if g.input.positions is None:
        embedding_backward(dx, cache.ids, g.embedding)
    else:
        dx = learned_positions_backward(dx, g.input.positions)
        embedding_backward(dx, cache.ids, g.embedding, scale=1)


def rows_backward(drows: Array, positions: Array, ids: Array) -> Array:
    """drows (N, D), the gradient of the output's rows at `positions` -> dy (B, T, D): 0 at all others of the B * T."""
    dy = array_module(drows).zeros((ids.size, drows.shape[1]), dtype=drows.dtype)
    dy[positions] = drows
    return dy.reshape(*ids.shape, -1)


def check_length(name: str, length: int, config: TransformerConfig) -> None:
    """Raises InputError for a text that is longer than a model with learned positions can read."""
    if config.positions == "learned" and config.context is not None and length > config.context:
        raise InputError(
            f"{name} has {length} tokens; the model's context is {config.context}: shorten the text, or split it"
        )
