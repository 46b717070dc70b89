"""What a training step costs, from its sizes alone: operations and memory. docs/performance.md explains the formulas.

B sentences of S source and T target positions (padding included), width D, inner width F, H heads, V tokens, L layers
in the encoder and as many in the decoder, unless the configuration says otherwise.
"""

from typing import NamedTuple

from numpy_transformer.layers.blocked_attention import BLOCKED_FROM
from numpy_transformer.layers.consistency import ROWS
from numpy_transformer.layers.output_loss import PRODUCT_ROWS
from numpy_transformer.models.config import TransformerConfig


class StepSize(NamedTuple):
    """A batch by its shape."""

    sentences: int  # B
    source_length: int  # S
    target_length: int  # T


def step_flops(config: TransformerConfig, size: StepSize, *, recompute: bool = False) -> int:
    """Floating-point operations of the matrix products of one forward and backward; a multiply-add counts as two.

    Every product of the forward has two of the same size in the backward, one for each factor's gradient. Masked scores
    are computed and count, as do padded positions except in the output projection, where they count here but are left
    out by the program. The blocked attention's second computation of its scores does not count.
    """
    B, S, T = _of_all_passes(config, size)
    D, F, V = config.d_model, config.d_ff, config.vocabulary_size
    self_attention, cross_attention, feed_forward = 4 * D * D, 2 * D * D, 2 * D * F  # multiply-adds for each position
    encoder = config.encoder_layers * B * S * (self_attention + feed_forward + 2 * S * D)
    decoder = (
        config.decoder_layers
        * B
        * (T * (self_attention + cross_attention + feed_forward + 2 * T * D + 2 * S * D) + S * cross_attention)
    )
    passes = 4 if recompute else 3
    return 2 * (passes * (encoder + decoder) + 3 * B * T * D * V)


def _of_all_passes(config: TransformerConfig, size: StepSize) -> StepSize:
    """With a consistency term every sentence is in the batch twice."""
    return size._replace(sentences=2 * size.sentences) if config.consistency else size


def cache_bytes(config: TransformerConfig, size: StepSize, *, recompute: bool = False, itemsize: int = 4) -> int:
    """Bytes that the caches hold when the forward is over: `itemsize` for each number, 1 for each value of a mask.

    With `recompute`, a layer keeps its input only.
    """
    B, S, T = size
    D = config.d_model
    ends = B * (S + T) * (8 + bool(config.dropout) * D) + itemsize * B * S * D  # ids, masks; the memory
    if config.norm == "pre":
        ends += itemsize * B * (S + T) * (D + 1)  # the last norms
    encoder_layer, decoder_layer = _layer_bytes(config, size, itemsize)
    if T >= BLOCKED_FROM and not config.attention_dropout and not recompute:
        ends += T * T  # the causal mask, which the layers share
    if recompute:
        encoder_layer, decoder_layer = itemsize * B * S * D, itemsize * B * T * D
    return ends + encoder_layer * config.encoder_layers + decoder_layer * config.decoder_layers


def _layer_bytes(config: TransformerConfig, size: StepSize, itemsize: int) -> tuple[int, int]:
    """The whole cache of one encoder layer and of one decoder layer."""
    B, S, T = size
    D, F = config.d_model, config.d_ff
    swish, dropout = config.activation == "swish", bool(config.dropout)

    def attention(length: int, keys: int, projections: int) -> int:
        """Input, projections of it, weights, context; and of the norm behind it: normalized values and deviation."""
        weights, weight_mask = length * config.heads * keys, 0
        if config.attention_dropout:
            weights, weight_mask = 2 * weights, weights
        elif keys >= BLOCKED_FROM:
            weights = length * config.heads
        return itemsize * (length * ((projections + 3) * D + 1) + weights) + weight_mask + dropout * length * D

    def feed_forward(length: int) -> int:
        """Input, activated values, ReLU's mask or swish's gate; the norm's normalized values and deviation."""
        return itemsize * length * (2 * D + 1 + F + swish * F) + length * ((not swish) * F + dropout * D)

    encoder_layer = attention(S, S, 3) + feed_forward(S)
    decoder_layer = attention(T, T, 3) + attention(T, S, 1) + itemsize * 2 * S * D + feed_forward(T)
    return B * encoder_layer, B * decoder_layer


def step_bytes(
    config: TransformerConfig, parameters: int, size: StepSize, *, workers: int, recompute: bool = False
) -> int:
    """Bytes at the peak of a training step in float32, within about a quarter.

    What stays: `parameters` and both moments, ternary ones once more as they are rounded, a gradient buffer for each
    worker. What comes and goes: the caches; and at their fullest either the logits of the loss or the gradients on
    their way through one layer.
    """
    B, S, T = size = _of_all_passes(config, size)
    D, F, V, H = config.d_model, config.d_ff, config.vocabulary_size, config.heads
    each = -(-B * T // workers)  # target positions of a worker
    rows, copies = (ROWS, 7) if config.consistency else (PRODUCT_ROWS, 1)  # of logits, and what is made of them
    logits = workers * V * (copies * min(rows, each) + D * (each > rows)) + 2 * B * T * D
    scores = 0 if max(S, T) >= BLOCKED_FROM else 2 * B * H * max(S * S, T * T, S * T)
    passing = B * max(S, T) * (4 * D + 2 * F) + B * T * D + scores
    remade = max(_layer_bytes(config, size, 4)) if recompute else 0
    buffers = 3 + (config.weights == "ternary") + workers
    kept = 4 * parameters * buffers + cache_bytes(config, size, recompute=recompute)
    return kept + max(4 * logits, 4 * passing + remade)
