"""A step of the incremental decoder on a card: each product is followed by one kernel that does all up to the next.

    query, key, value = x W     then bias, and attention over the columns that a hypothesis sees
    context W                   then bias, residual, layer norm
    query = x W                 then bias, and attention over the source
    context W                   then bias, residual, layer norm
    x W_1                       then bias, ReLU
    hidden W_2                  then bias, residual, layer norm

So a layer is 12 launches, 15 with pre-norm; one more before the first layer makes the vectors of the tokens. The host
sends one array of integers ahead. What is kept from step to step, and which hypothesis sees what, is decided in
incremental.py, as for a CPU.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, ids_to_device
from numpy_transformer.backend.kernels.bias import add_bias
from numpy_transformer.backend.kernels.decoder_attention import (
    WIDEST_HEAD,
    cross_attention_step,
    packed_bits,
    self_attention_step,
)
from numpy_transformer.backend.kernels.embedding import placed_embedding
from numpy_transformer.backend.kernels.launcher import LONGEST_ROW
from numpy_transformer.backend.kernels.residual import norm_forward, sum_forward
from numpy_transformer.layers.activation import ACTIVATIONS
from numpy_transformer.layers.arithmetic import matmul
from numpy_transformer.layers.embedding import EmbeddingParameters
from numpy_transformer.layers.feed_forward import FeedForwardParameters
from numpy_transformer.layers.layer_norm import EPSILON, LayerNormParameters, layer_norm_forward
from numpy_transformer.layers.linear import LinearParameters
from numpy_transformer.models.blocks import DecoderLayerParameters, EncoderLayerParameters
from numpy_transformer.models.config import TransformerConfig

PADDED_TO = 64  # numbers: rows of logits begin where kernels and tensor cores want them to


class Placed(NamedTuple):
    """A step's tokens and where they stand, on the card: R = B W hypotheses of B sentences, which see N columns."""

    tokens: Array  # (R,)
    positions: Array  # (R,)
    columns: Array  # (R,) of the cache, for their keys and values
    seen: Array  # (R, N / 64) bits
    lengths: Array  # (B,) source tokens


def has_kernels(config: TransformerConfig) -> bool:
    """Whether the kernels can do this model; another one's step runs in CuPy's operations."""
    return config.d_model <= LONGEST_ROW and config.d_model // config.heads <= WIDEST_HEAD


def placed(tokens: Array, positions: Array, columns: Array, seen: Array, lengths: Array, like: Array) -> Placed:
    """From the host, in one transfer: tokens (B, W), positions (B,), columns (B, W), seen (B, W, N), lengths (B,)."""
    R, W = tokens.size, tokens.shape[1]
    bits = packed_bits(seen).reshape(R, -1)
    parts = tokens.ravel(), np.repeat(positions, W), columns.ravel(), bits, lengths
    return Placed(*ids_to_device(array_module(like), *parts))


def embedded(step: Placed, parameters: EmbeddingParameters, *, length: int) -> Array:
    """The tokens' vectors (R, D), positions added; all positions are below `length`."""
    return placed_embedding(step.tokens, step.positions, parameters, length=length)


def decoder_layers(
    x: Array,
    step: Placed,
    layers: Sequence[DecoderLayerParameters],
    own: Array,
    memory: Array,
    config: TransformerConfig,
) -> tuple[Array, Array]:
    """x (R, D) -> (R, D), and the last layer's cross-attention queries less their bias (R, D).

    The caches `own` (L, B, N, 2D), which receives the new keys and values, and `memory` (L, B, S, 2D) hold the keys and
    values of each layer.
    """
    norm, query = config.norm, x
    for layer, own_cache, memory_cache in zip(layers, own, memory, strict=True):
        x = self_attention_layer(x, layer, own_cache, columns=step.columns, seen=step.seen, config=config)

        q = layer.cross_attention
        query = matmul(before(x, layer.cross_attention_norm, norm=norm), q.query.weight)
        context = cross_attention_step(query, q.query.bias, memory_cache, lengths=step.lengths, heads=config.heads)
        x = after(x, context, q.output, layer.cross_attention_norm, norm=norm)

        x = feed_forward_layer(x, layer, config=config)
    return x, query


def source_weights(
    query: Array, step: Placed, layer: DecoderLayerParameters, memory: Array, config: TransformerConfig
) -> Array:
    """The attention weights (R, H, S) of such queries in a layer, whose cache is `memory` (B, S, 2D)."""
    weights = array_module(query).empty((len(query), config.heads, memory.shape[1]), dtype=query.dtype)
    bias = layer.cross_attention.query.bias
    cross_attention_step(query, bias, memory, lengths=step.lengths, heads=config.heads, weights=weights)
    return weights


def empty_logits(rows: int, V: int, like: Array) -> Array:
    """Memory for (rows, V), each row at an aligned address."""
    return array_module(like).empty((rows, -(-V // PADDED_TO) * PADDED_TO), dtype=like.dtype)[:, :V]


def self_attention_layer(
    x: Array,
    layer: DecoderLayerParameters | EncoderLayerParameters,
    cache: Array,
    *,
    columns: Array,
    seen: Array,
    config: TransformerConfig,
    epsilon: float = EPSILON,
) -> Array:
    """Self-attention with its residual connection: x (R, D) -> (R, D). The cache receives new keys and values."""
    p, norm = layer.self_attention, layer.self_attention_norm
    projected = matmul(before(x, norm, norm=config.norm, epsilon=epsilon), p.query_key_value.weight)  # (R, 3D)
    bias = p.query_key_value.bias
    context = self_attention_step(projected, bias, cache, columns=columns, seen=seen, heads=config.heads)
    return after(x, context, p.output, norm, norm=config.norm, epsilon=epsilon)


def feed_forward_layer(
    x: Array,
    layer: DecoderLayerParameters | EncoderLayerParameters,
    *,
    config: TransformerConfig,
    epsilon: float = EPSILON,
) -> Array:
    """The feed-forward network with its residual connection: x (R, D) -> (R, D)."""
    p, norm = layer.feed_forward, layer.feed_forward_norm
    hidden = activated(before(x, norm, norm=config.norm, epsilon=epsilon), p, activation=config.activation)
    return after(x, hidden, p.output, norm, norm=config.norm, epsilon=epsilon)


def before(x: Array, parameters: LayerNormParameters, *, norm: str, epsilon: float = EPSILON) -> Array:
    """What a sub-layer sees (residual.py): x (post-norm) or LayerNorm(x) (pre-norm)."""
    return layer_norm_forward(x, parameters, epsilon=epsilon)[0] if norm == "pre" else x


def after(
    x: Array,
    inner: Array,
    last: LinearParameters,
    parameters: LayerNormParameters,
    *,
    norm: str,
    epsilon: float = EPSILON,
) -> Array:
    """LayerNorm(x + inner W + b) (post-norm) or x + inner W + b (pre-norm), W and b those of the sub-layer's `last`."""
    update = matmul(inner, last.weight)
    if norm == "pre":
        return sum_forward(x, update, last.bias, None)
    return norm_forward(x, parameters, update=update, bias=last.bias, epsilon=epsilon)[0]


def activated(x: Array, parameters: FeedForwardParameters, *, activation: str) -> Array:
    """f(x W_1 + b_1) (feed_forward.py): (R, D) -> (R, F); `activation` is a key of ACTIVATIONS."""
    hidden = matmul(x, parameters.hidden.weight)
    relu = activation == "relu"
    add_bias(hidden, parameters.hidden.bias, relu=relu)
    return hidden if relu else ACTIVATIONS[activation].forward(hidden)[0]
