"""The two heads of an Encoder: they turn the vectors of its stack into those that are compared with words or classes.

    masked words    a masked position's vector: linear, activation, norm; then the table as output projection, a bias
    classes         a text's first vector, or the mean of all: linear, tanh, dropout; then a projection onto classes

Derivation. A head is a chain, so its layers' backwards run in reverse. The mean over a text's n real tokens hands 1/n
of its gradient to each of them.
"""

from typing import Any, NamedTuple

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.dropout_masks import NO_DROPOUT, Dropouts
from numpy_transformer.layers.activation import ACTIVATIONS, TANH
from numpy_transformer.layers.arithmetic import matmul
from numpy_transformer.layers.dropout import DropoutCache, dropout_backward, dropout_forward
from numpy_transformer.layers.layer_norm import (
    LayerNormCache,
    LayerNormParameters,
    layer_norm_backward,
    layer_norm_forward,
    layer_norm_spec,
)
from numpy_transformer.layers.linear import LinearParameters, linear_backward, linear_forward, linear_spec
from numpy_transformer.layers.output_loss import OutputParameters
from numpy_transformer.layers.parameters import parameter, xavier_uniform, zeros
from numpy_transformer.models.config import TransformerConfig


class MaskedWordsParameters(NamedTuple):
    hidden: LinearParameters  # (D, D)
    norm: LayerNormParameters
    bias: Array  # (V,) of the output projection


class ClassifierParameters(NamedTuple):
    pooler: LinearParameters  # (D, D)
    output: OutputParameters  # (C, D), (C,)


def masked_words_spec(config: TransformerConfig) -> MaskedWordsParameters:
    """Xavier-uniform weight, zero biases, gain 1."""
    D = config.d_model
    return MaskedWordsParameters(linear_spec(D, D), layer_norm_spec(D), parameter((config.vocabulary_size,), zeros))


def classifier_spec(config: TransformerConfig) -> ClassifierParameters:
    """Xavier-uniform weights and zero biases."""
    D, C = config.d_model, len(config.labels)
    onto_classes = OutputParameters(parameter((C, D), xavier_uniform()), parameter((C,), zeros))
    return ClassifierParameters(linear_spec(D, D), onto_classes)


# --- Masked words: the vectors (N, D) of masked positions to those that the table is multiplied with ---


class MaskedWordsCache(NamedTuple):
    input: Array  # (N, D)
    activated: Any
    norm: LayerNormCache


def masked_words_forward(
    x: Array, parameters: MaskedWordsParameters, config: TransformerConfig
) -> tuple[Array, MaskedWordsCache]:
    """(N, D) -> (N, D)."""
    activated, inside = ACTIVATIONS[config.activation].forward(linear_forward(x, parameters.hidden))
    y, norm = layer_norm_forward(activated, parameters.norm, epsilon=config.norm_epsilon)
    return y, MaskedWordsCache(x, inside, norm)


def masked_words_backward(
    dy: Array,
    cache: MaskedWordsCache,
    parameters: MaskedWordsParameters,
    gradients: MaskedWordsParameters,
    config: TransformerConfig,
) -> Array:
    """(N, D) -> dx (N, D); writes the gradients of linear layer and norm."""
    dactivated = layer_norm_backward(dy, cache.norm, parameters.norm, gradients.norm)
    dhidden = ACTIVATIONS[config.activation].backward(dactivated, cache.activated)
    return linear_backward(dhidden, cache.input, parameters.hidden, gradients.hidden)


# --- Classes: the vectors (B, T, D) of texts to one of each ---


class PoolerCache(NamedTuple):
    shares: Array  # (B, T) of each position in its text's vector
    pooled: Array  # (B, D)
    activated: Any
    dropout: DropoutCache | None


def pooler_forward(
    x: Array, real: Array, parameters: LinearParameters, config: TransformerConfig, dropouts: Dropouts = NO_DROPOUT
) -> tuple[Array, PoolerCache]:
    """x (B, T, D), `real` (B, T) True at real tokens -> (B, D)."""
    xp = array_module(x)
    if config.pooling == "first":
        shares = xp.zeros(x.shape[:2], dtype=x.real.dtype)
        shares[:, 0] = 1
    else:
        shares = real.astype(x.real.dtype)
        counts = shares.sum(axis=1, keepdims=True)
        shares /= counts + (counts == 0)  # a text of padding only: 0 / 1
    pooled = matmul(shares[:, None, :], x)[:, 0]  # (B, D)
    activated, inside = TANH.forward(linear_forward(pooled, parameters))
    y, dropout = dropout_forward(activated, dropouts.residual)
    return y, PoolerCache(shares, pooled, inside, dropout)


def pooler_backward(dy: Array, cache: PoolerCache, parameters: LinearParameters, gradients: LinearParameters) -> Array:
    """dy (B, D) -> dx (B, T, D); writes the linear layer's gradients."""
    dhidden = TANH.backward(dropout_backward(dy, cache.dropout), cache.activated)
    dpooled = linear_backward(dhidden, cache.pooled, parameters, gradients)
    return cache.shares[:, :, None] * dpooled[:, None, :]
