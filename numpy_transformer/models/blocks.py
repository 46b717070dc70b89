"""Encoder layer and decoder layer: sub-layers wired with residual connections and norms (section 3.1, figure 1).

Derivation. Sub-layers in a row, so their backwards run in reverse order (residual.py derives the wiring of one). The
memory enters a decoder layer at one place, cross-attention, so its gradient leaves there, beside dx.
"""

from typing import Any, NamedTuple

from numpy_transformer.backend.arrays import Array
from numpy_transformer.layers.dropout import DropoutMasks
from numpy_transformer.layers.feed_forward import (
    FeedForwardParameters,
    feed_forward_backward,
    feed_forward_forward,
    feed_forward_spec,
)
from numpy_transformer.layers.layer_norm import LayerNormCache, LayerNormParameters, layer_norm_spec
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
from numpy_transformer.layers.residual import (
    AfterCache,
    after_sublayer_backward,
    after_sublayer_forward,
    before_sublayer_backward,
    before_sublayer_forward,
)
from numpy_transformer.models.config import TransformerConfig


class Dropouts(NamedTuple):
    """The two kinds of dropout of one forward pass; None switches a kind off."""

    residual: DropoutMasks | None = None
    attention: DropoutMasks | None = None


NO_DROPOUT = Dropouts()


class SublayerCache(NamedTuple):
    before: LayerNormCache | None
    inside: Any  # SelfAttentionCache, CrossAttentionCache or FeedForwardCache
    after: AfterCache


# --- The three sub-layers: each stands between the two halves of its residual connection ---
#
# A sub-layer ends in a linear layer called `output`, whose bias is added by the second half (residual.py).


def without_output_bias(parameters: Any) -> Any:
    """A sub-layer's parameters less the last bias."""
    return parameters._replace(output=parameters.output._replace(bias=None))


def self_attention_sublayer_forward(
    x: Array,
    parameters: SelfAttentionParameters,
    norm_parameters: LayerNormParameters,
    config: TransformerConfig,
    *,
    mask: Array | None,
    dropouts: Dropouts,
) -> tuple[Array, SublayerCache]:
    """x (B, T, D) -> (B, T, D); `mask` broadcasts to (B, H, T, T), True where a query may see a key."""
    inner, before = before_sublayer_forward(x, norm_parameters, norm=config.norm)
    update, inside = self_attention_forward(
        inner, without_output_bias(parameters), heads=config.heads, mask=mask, dropout=dropouts.attention
    )
    y, after = after_sublayer_forward(
        x, update, norm_parameters, norm=config.norm, dropout=dropouts.residual, bias=parameters.output.bias
    )
    return y, SublayerCache(before, inside, after)


def self_attention_sublayer_backward(
    dy: Array,
    cache: SublayerCache,
    parameters: SelfAttentionParameters,
    norm_parameters: LayerNormParameters,
    gradients: SelfAttentionParameters,
    norm_gradients: LayerNormParameters,
) -> Array:
    """dy (B, T, D) -> dx (B, T, D); writes the gradients of the attention and of its norm."""
    dx, dupdate = after_sublayer_backward(dy, cache.after, norm_parameters, norm_gradients, dbias=gradients.output.bias)
    dinner = self_attention_backward(dupdate, cache.inside, without_output_bias(parameters), gradients)
    return dx + before_sublayer_backward(dinner, cache.before, norm_parameters, norm_gradients)


def cross_attention_sublayer_forward(
    x: Array,
    memory: Array,
    parameters: CrossAttentionParameters,
    norm_parameters: LayerNormParameters,
    config: TransformerConfig,
    *,
    mask: Array | None,
    dropouts: Dropouts,
) -> tuple[Array, SublayerCache]:
    """x (B, T, D), memory (B, S, D) -> (B, T, D); `mask` broadcasts to (B, H, T, S)."""
    inner, before = before_sublayer_forward(x, norm_parameters, norm=config.norm)
    update, inside = cross_attention_forward(
        inner, memory, without_output_bias(parameters), heads=config.heads, mask=mask, dropout=dropouts.attention
    )
    y, after = after_sublayer_forward(
        x, update, norm_parameters, norm=config.norm, dropout=dropouts.residual, bias=parameters.output.bias
    )
    return y, SublayerCache(before, inside, after)


def cross_attention_sublayer_backward(
    dy: Array,
    cache: SublayerCache,
    parameters: CrossAttentionParameters,
    norm_parameters: LayerNormParameters,
    gradients: CrossAttentionParameters,
    norm_gradients: LayerNormParameters,
) -> tuple[Array, Array]:
    """dy (B, T, D) -> dx (B, T, D), dmemory (B, S, D); writes the gradients of the attention and of its norm."""
    dx, dupdate = after_sublayer_backward(dy, cache.after, norm_parameters, norm_gradients, dbias=gradients.output.bias)
    dinner, dmemory = cross_attention_backward(dupdate, cache.inside, without_output_bias(parameters), gradients)
    return dx + before_sublayer_backward(dinner, cache.before, norm_parameters, norm_gradients), dmemory


def feed_forward_sublayer_forward(
    x: Array,
    parameters: FeedForwardParameters,
    norm_parameters: LayerNormParameters,
    config: TransformerConfig,
    *,
    dropouts: Dropouts,
) -> tuple[Array, SublayerCache]:
    """x (B, T, D) -> (B, T, D)."""
    inner, before = before_sublayer_forward(x, norm_parameters, norm=config.norm)
    update, inside = feed_forward_forward(inner, without_output_bias(parameters), activation=config.activation)
    y, after = after_sublayer_forward(
        x, update, norm_parameters, norm=config.norm, dropout=dropouts.residual, bias=parameters.output.bias
    )
    return y, SublayerCache(before, inside, after)


def feed_forward_sublayer_backward(
    dy: Array,
    cache: SublayerCache,
    parameters: FeedForwardParameters,
    norm_parameters: LayerNormParameters,
    gradients: FeedForwardParameters,
    norm_gradients: LayerNormParameters,
) -> Array:
    """dy (B, T, D) -> dx (B, T, D); writes the gradients of the network and of its norm."""
    dx, dupdate = after_sublayer_backward(dy, cache.after, norm_parameters, norm_gradients, dbias=gradients.output.bias)
    dinner = feed_forward_backward(dupdate, cache.inside, without_output_bias(parameters), gradients)
    return dx + before_sublayer_backward(dinner, cache.before, norm_parameters, norm_gradients)


# --- Encoder layer: self-attention, feed-forward ---


class EncoderLayerParameters(NamedTuple):
    self_attention: Any  # SelfAttentionParameters
    self_attention_norm: Any  # LayerNormParameters
    feed_forward: Any  # FeedForwardParameters
    feed_forward_norm: Any  # LayerNormParameters


class EncoderLayerCache(NamedTuple):
    self_attention: SublayerCache
    feed_forward: SublayerCache


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
    """x (B, S, D) -> (B, S, D); `mask` (B, 1, 1, S) is True at real tokens."""
    p = parameters
    x, self_attention = self_attention_sublayer_forward(
        x, p.self_attention, p.self_attention_norm, config, mask=mask, dropouts=dropouts
    )
    y, feed_forward = feed_forward_sublayer_forward(x, p.feed_forward, p.feed_forward_norm, config, dropouts=dropouts)
    return y, EncoderLayerCache(self_attention, feed_forward)


def encoder_layer_backward(
    dy: Array, cache: EncoderLayerCache, parameters: EncoderLayerParameters, gradients: EncoderLayerParameters
) -> Array:
    """dy (B, S, D) -> dx (B, S, D); writes the layer's gradients."""
    p, g = parameters, gradients
    dx = feed_forward_sublayer_backward(
        dy, cache.feed_forward, p.feed_forward, p.feed_forward_norm, g.feed_forward, g.feed_forward_norm
    )
    return self_attention_sublayer_backward(
        dx,
        cache.self_attention,
        p.self_attention,
        p.self_attention_norm,
        g.self_attention,
        g.self_attention_norm,
    )


# --- Decoder layer: causal self-attention, cross-attention to the encoder's output, feed-forward ---


class DecoderLayerParameters(NamedTuple):
    self_attention: Any  # SelfAttentionParameters
    self_attention_norm: Any  # LayerNormParameters
    cross_attention: Any  # CrossAttentionParameters
    cross_attention_norm: Any  # LayerNormParameters
    feed_forward: Any  # FeedForwardParameters
    feed_forward_norm: Any  # LayerNormParameters


class DecoderLayerCache(NamedTuple):
    self_attention: SublayerCache
    cross_attention: SublayerCache
    feed_forward: SublayerCache


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
    memory: Array,
    parameters: DecoderLayerParameters,
    config: TransformerConfig,
    *,
    self_mask: Array | None,
    memory_mask: Array | None,
    dropouts: Dropouts,
) -> tuple[Array, DecoderLayerCache]:
    """x (B, T, D), memory (B, S, D) -> (B, T, D).

    `self_mask` (T, T) is causal, `memory_mask` (B, 1, 1, S) is True at real source tokens.
    """
    p = parameters
    x, self_attention = self_attention_sublayer_forward(
        x, p.self_attention, p.self_attention_norm, config, mask=self_mask, dropouts=dropouts
    )
    x, cross_attention = cross_attention_sublayer_forward(
        x, memory, p.cross_attention, p.cross_attention_norm, config, mask=memory_mask, dropouts=dropouts
    )
    y, feed_forward = feed_forward_sublayer_forward(x, p.feed_forward, p.feed_forward_norm, config, dropouts=dropouts)
    return y, DecoderLayerCache(self_attention, cross_attention, feed_forward)


def decoder_layer_backward(
    dy: Array, cache: DecoderLayerCache, parameters: DecoderLayerParameters, gradients: DecoderLayerParameters
) -> tuple[Array, Array]:
    """dy (B, T, D) -> dx (B, T, D), dmemory (B, S, D); writes the layer's gradients."""
    p, g = parameters, gradients
    dx = feed_forward_sublayer_backward(
        dy, cache.feed_forward, p.feed_forward, p.feed_forward_norm, g.feed_forward, g.feed_forward_norm
    )
    dx, dmemory = cross_attention_sublayer_backward(
        dx,
        cache.cross_attention,
        p.cross_attention,
        p.cross_attention_norm,
        g.cross_attention,
        g.cross_attention_norm,
    )
    dx = self_attention_sublayer_backward(
        dx,
        cache.self_attention,
        p.self_attention,
        p.self_attention_norm,
        g.self_attention,
        g.self_attention_norm,
    )
    return dx, dmemory
