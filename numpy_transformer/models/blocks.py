"""Encoder layer and decoder layer: sub-layers wired with residual connections and norms (section 3.1, figure 1).

Derivation. The sub-layers form a chain, so their backwards run in reverse order (residual.py derives the wiring of
one). The memory enters a decoder layer at one place, cross-attention, so its gradient leaves there, beside dx.
"""

from functools import partial
from typing import NamedTuple

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.dropout_masks import Dropouts
from numpy_transformer.layers.activation import ACTIVATIONS
from numpy_transformer.layers.feed_forward import (
    FeedForwardParameters,
    feed_forward_backward,
    feed_forward_forward,
    feed_forward_spec,
)
from numpy_transformer.layers.layer_norm import LayerNormParameters, layer_norm_spec
from numpy_transformer.layers.multi_head_attention import (
    CrossAttentionParameters,
    SelfAttentionParameters,
    cross_attention_backward,
    cross_attention_forward,
    cross_attention_spec,
    self_attention_backward,
    self_attention_forward,
    self_attention_spec,
)
from numpy_transformer.layers.residual import ResidualCache, residual_backward, residual_forward
from numpy_transformer.models.config import TransformerConfig

# --- Encoder layer: self-attention, feed-forward ---


class EncoderLayerParameters(NamedTuple):
    self_attention: SelfAttentionParameters
    self_attention_norm: LayerNormParameters
    feed_forward: FeedForwardParameters
    feed_forward_norm: LayerNormParameters


class EncoderLayerCache(NamedTuple):
    self_attention: ResidualCache
    feed_forward: ResidualCache


def encoder_layer_spec(config: TransformerConfig) -> EncoderLayerParameters:
    """Parameters of one encoder layer."""
    return EncoderLayerParameters(
        self_attention=self_attention_spec(config.d_model),
        self_attention_norm=layer_norm_spec(config.d_model),
        feed_forward=feed_forward_spec(config.d_model, config.d_ff),
        feed_forward_norm=layer_norm_spec(config.d_model),
    )


def encoder_layer_forward(
    x: Array,
    parameters: EncoderLayerParameters,
    config: TransformerConfig,
    *,
    mask: Array | None,
    dropouts: Dropouts,
) -> tuple[Array, EncoderLayerCache]:
    """x (B, S, D) -> (B, S, D); `mask` (B, 1, 1, S) is True at real tokens.

    With a causal mask (S, S) instead, it is the layer of a model that is a decoder alone (decoder_only.py).
    """
    p = parameters
    residual = partial(residual_forward, norm=config.norm, dropout=dropouts.residual, epsilon=config.norm_epsilon)
    attend = partial(self_attention_forward, heads=config.heads, mask=mask, dropout=dropouts.attention)
    feed = partial(feed_forward_forward, activation=ACTIVATIONS[config.activation])

    x, attended = residual(x, attend, (p.self_attention, p.self_attention_norm))
    y, fed = residual(x, feed, (p.feed_forward, p.feed_forward_norm))
    return y, EncoderLayerCache(attended, fed)


def encoder_layer_backward(
    dy: Array, cache: EncoderLayerCache, parameters: EncoderLayerParameters, gradients: EncoderLayerParameters
) -> Array:
    """dy (B, S, D) -> dx (B, S, D); writes the layer's gradients."""
    p, g = parameters, gradients
    attention = (p.self_attention, p.self_attention_norm), (g.self_attention, g.self_attention_norm)
    feed = (p.feed_forward, p.feed_forward_norm), (g.feed_forward, g.feed_forward_norm)

    dx = residual_backward(dy, cache.feed_forward, feed_forward_backward, *feed)
    return residual_backward(dx, cache.self_attention, self_attention_backward, *attention)


# --- Decoder layer: causal self-attention, cross-attention to the encoder's output, feed-forward ---


class DecoderLayerParameters(NamedTuple):
    self_attention: SelfAttentionParameters
    self_attention_norm: LayerNormParameters
    cross_attention: CrossAttentionParameters
    cross_attention_norm: LayerNormParameters
    feed_forward: FeedForwardParameters
    feed_forward_norm: LayerNormParameters


class DecoderLayerCache(NamedTuple):
    self_attention: ResidualCache
    cross_attention: ResidualCache
    feed_forward: ResidualCache


def decoder_layer_spec(config: TransformerConfig) -> DecoderLayerParameters:
    """Parameters of one decoder layer."""
    return DecoderLayerParameters(
        self_attention=self_attention_spec(config.d_model),
        self_attention_norm=layer_norm_spec(config.d_model),
        cross_attention=cross_attention_spec(config.d_model),
        cross_attention_norm=layer_norm_spec(config.d_model),
        feed_forward=feed_forward_spec(config.d_model, config.d_ff),
        feed_forward_norm=layer_norm_spec(config.d_model),
    )


def decoder_layer_forward(
    x: Array,
    parameters: DecoderLayerParameters,
    config: TransformerConfig,
    *,
    memory: Array,
    self_mask: Array | None,
    memory_mask: Array | None,
    dropouts: Dropouts,
) -> tuple[Array, DecoderLayerCache]:
    """x (B, T, D), memory (B, S, D) -> (B, T, D).

    `self_mask` (T, T) is causal, `memory_mask` (B, 1, 1, S) is True at real source tokens.
    """
    p = parameters
    residual = partial(residual_forward, norm=config.norm, dropout=dropouts.residual)
    attend = partial(self_attention_forward, heads=config.heads, mask=self_mask, dropout=dropouts.attention)
    look = partial(
        cross_attention_forward, memory=memory, heads=config.heads, mask=memory_mask, dropout=dropouts.attention
    )
    feed = partial(feed_forward_forward, activation=ACTIVATIONS[config.activation])

    x, attended = residual(x, attend, (p.self_attention, p.self_attention_norm))
    x, looked = residual(x, look, (p.cross_attention, p.cross_attention_norm))
    y, fed = residual(x, feed, (p.feed_forward, p.feed_forward_norm))
    return y, DecoderLayerCache(attended, looked, fed)


def decoder_layer_backward(
    dy: Array,
    cache: DecoderLayerCache,
    parameters: DecoderLayerParameters,
    gradients: DecoderLayerParameters,
    *,
    dmemory: Array,
) -> Array:
    """dy (B, T, D) -> dx (B, T, D); writes the layer's gradients and ADDS to dmemory (B, S, D)."""
    p, g = parameters, gradients
    attention = (p.self_attention, p.self_attention_norm), (g.self_attention, g.self_attention_norm)
    cross = (p.cross_attention, p.cross_attention_norm), (g.cross_attention, g.cross_attention_norm)
    feed = (p.feed_forward, p.feed_forward_norm), (g.feed_forward, g.feed_forward_norm)
    look = partial(cross_attention_backward, dmemory=dmemory)

    dx = residual_backward(dy, cache.feed_forward, feed_forward_backward, *feed)
    dx = residual_backward(dx, cache.cross_attention, look, *cross)
    return residual_backward(dx, cache.self_attention, self_attention_backward, *attention)
