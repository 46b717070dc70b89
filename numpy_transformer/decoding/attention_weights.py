"""What the model looked at: the attention weights of every layer and head for one sentence and its translation."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, to_device, to_host
from numpy_transformer.backend.dropout_masks import NO_DROPOUT
from numpy_transformer.layers.attention import causal_mask
from numpy_transformer.layers.blocked_attention import attention_weights as layer_weights
from numpy_transformer.layers.residual import ResidualCache
from numpy_transformer.models.decoder_only import LanguageModel
from numpy_transformer.models.encoder_decoder import decoder_forward, encoder_forward, source_mask
from numpy_transformer.models.encoder_only import Encoder
from numpy_transformer.models.model import check_rows
from numpy_transformer.models.one_stack import check_length, one_stack_forward
from numpy_transformer.models.transformer import Transformer


class AttentionWeights(NamedTuple):
    """Host arrays; each row is what one query looks at and sums to 1.

    The decoder's query t is the position that predicts target token t, so row t of `cross` tells where in the source
    the model looked when it wrote that token.
    """

    encoder: Array  # (L, H, S, S) self-attention of the source
    decoder: Array  # (L, H, T, T) causal self-attention of the target; key t is the token before target token t
    cross: Array  # (L, H, T, S) from target to source


def attention_weights(model: Transformer, source: Sequence[int], target: Sequence[int]) -> AttentionWeights:
    """The weights for source ids (S) and target ids (T) that both end with eos, and with no padding."""
    xp = array_module(model.parameters.flat)
    tree, config = model.quantised().parameters.tree, model.config
    source_ids = to_device(np.array([source]), xp)
    target_input = to_device(np.array([[config.bos_id, *target[:-1]]]), xp)
    memory, encoder = encoder_forward(source_ids, tree, config, dropouts=NO_DROPOUT)
    _, decoder = decoder_forward(target_input, memory, source_ids, tree, config, dropouts=NO_DROPOUT)

    return AttentionWeights(
        encoder=_stacked([layer.self_attention for layer in encoder.stack.layers]),
        decoder=_stacked([layer.self_attention for layer in decoder.stack.layers]),
        cross=_stacked([layer.cross_attention for layer in decoder.stack.layers]),
    )


def stack_weights(model: LanguageModel | Encoder, ids: Sequence[int]) -> Array:
    """The weights (L, H, T, T) of a model of one stack, a host array, for the ids (T) of one text."""
    model = model.quantised()
    xp, config = array_module(model.parameters.flat), model.config
    row = np.array([ids])
    check_rows("ids", row, config)
    check_length("the text", len(ids), config)
    on_device = to_device(row, xp)
    if isinstance(model, LanguageModel):
        stack, mask = model.parameters.tree, causal_mask(len(ids), model.parameters.flat)
    else:
        stack, mask = model.parameters.tree.stack, source_mask(on_device, config)
    _, cache = one_stack_forward(on_device, stack, config, mask=mask)
    return _stacked([layer.self_attention for layer in cache.stack.layers])


def _stacked(residuals: list[ResidualCache]) -> Array:
    return np.stack([to_host(layer_weights(residual.sublayer.attention))[0] for residual in residuals])
