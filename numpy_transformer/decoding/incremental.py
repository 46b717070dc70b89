"""The incremental decoder: one new position per step, everything already computed is kept.

A plain decoder would run over the whole translation again for each new token. But the causal mask means that no
position ever changes once it is computed, so a step needs only the new token's query, and of the past only each
layer's self-attention keys and values. The source side is computed once per sentence: the encoder, and each layer's
cross-attention keys and values.

Of each sentence B, a step extends W hypotheses at once. They share everything they can:

    cross-attention    query (B, H, W, K) against one key (B, H, S, K): the hypotheses are rows of one matrix product
    self-attention     query (B, H, W, K) against one key (B, H, N, K), where N counts the tokens cached so far of all
                       hypotheses together, and `visible` (B, W, N) says which of them stand on a hypothesis's own path

So when beam search lets two hypotheses continue the same parent, no key or value moves: only rows of `visible` do.
Tokens that no hypothesis can see any more are dropped when the room runs out.

All the mathematics is that of the layers; this file only decides what to keep.
"""

from typing import Any

import numpy as np

from numpy_transformer.backend import Array, array_module, to_device
from numpy_transformer.blocks import NO_DROPOUT, DecoderLayerParameters, feed_forward_sublayer_forward
from numpy_transformer.layers.embedding import embedding_forward
from numpy_transformer.layers.layer_norm import LayerNormParameters, layer_norm_forward
from numpy_transformer.layers.linear import LinearParameters, linear_forward
from numpy_transformer.layers.multi_head_attention import attend, split_heads
from numpy_transformer.layers.output_loss import output_projection
from numpy_transformer.layers.positional_encoding import positional_encoding_forward
from numpy_transformer.layers.residual import after_sublayer_forward, before_sublayer_forward
from numpy_transformer.model import Transformer
from numpy_transformer.transformer import encoder_forward, source_mask

FIRST_ROOM = 32  # tokens per sentence that the cache has room for at first


class IncrementalDecoder:
    """Decodes a batch of sentences, one position a step.

    `source` is a host array (B, S) of ids, padded behind with pad_id. The batch shrinks with `retain`; `step` always
    works on the sentences that are left.
    """

    def __init__(self, model: Transformer, source: Array) -> None:
        self._config = model.config
        self._parameters = model.parameters.tree
        self._xp = array_module(model.parameters.flat)
        on_device = to_device(source, self._xp)
        memory, _ = encoder_forward(on_device, self._parameters, self._config, dropouts=NO_DROPOUT)

        # Of each layer, key and value side by side, as the projections make them.
        self._cross_caches = [
            linear_forward(memory, layer.cross_attention.key_value)[0] for layer in self._parameters.decoder
        ]  # (B, S, 2D)
        B, _, D = memory.shape
        self._self_caches = [
            self._xp.empty((B, FIRST_ROOM, 2 * D), dtype=memory.dtype) for _ in self._parameters.decoder
        ]  # (B, room, 2D), of which N columns are in use
        self._memory_mask = source_mask(on_device, self._config)  # (B, 1, 1, S)
        self._visible = self._xp.ones((B, 1, 0), dtype=bool)  # (B, W, N)
        self._position = 0

    def step(self, tokens: Array, parents: Array | None = None) -> Array:
        """tokens (B, W), one new token per hypothesis -> the next token's logits (B, W, V), an array of its own.

        Hypothesis w continues hypothesis parents[b, w] of the step before; None means that each continues itself, as
        it must at the first step, whose tokens are bos. W may differ from step to step. Both are host arrays of ids.
        """
        B, W = tokens.shape
        if parents is not None:
            seen_by = to_device(parents, self._xp)[:, :, None]
            self._visible = self._xp.take_along_axis(self._visible, seen_by, axis=1)
        self._add_columns(W)
        x, _ = embedding_forward(to_device(tokens.reshape(B * W, 1), self._xp), self._parameters.embedding)
        x = positional_encoding_forward(x, start=self._position).reshape(B, W, -1)
        layers = zip(self._parameters.decoder, self._self_caches, self._cross_caches, strict=True)
        for layer, self_cache, cross_cache in layers:
            x = self._layer(x, layer, self_cache, cross_cache)
        if self._parameters.decoder_norm is not None:
            x, _ = layer_norm_forward(x, self._parameters.decoder_norm)
        self._position += 1
        logits = output_projection(x.reshape(B * W, -1), self._parameters.embedding)
        return logits.reshape(B, W, -1)

    def retain(self, rows: Array) -> None:
        """Go on with fewer sentences: sentence b of the new batch is sentence rows[b] of the present one.

        `rows` (host array, each row at most once) should leave as many sentences as possible where they are, since
        only the others are copied; see `rows_that_stay`.
        """
        B, N = len(rows), self._visible.shape[2]
        moved = np.flatnonzero(rows != np.arange(B))
        to, origin = to_device(moved, self._xp), to_device(rows[moved], self._xp)
        for index in range(len(self._self_caches)):
            cross_cache, self_cache = self._cross_caches[index], self._self_caches[index]
            if len(moved):
                cross_cache[to] = cross_cache[origin]
                self_cache[to, :N] = self_cache[origin, :N]
            self._cross_caches[index], self._self_caches[index] = cross_cache[:B], self_cache[:B]
        on_device = to_device(rows, self._xp)
        self._memory_mask, self._visible = self._memory_mask[on_device], self._visible[on_device]

    def _layer(self, x: Array, layer: DecoderLayerParameters, self_cache: Array, cross_cache: Array) -> Array:
        """One decoder layer at the new position: x (B, W, D) -> (B, W, D)."""
        heads = self._config.heads
        W, D = x.shape[1:]
        N = self._visible.shape[2]

        inner = self._before(x, layer.self_attention_norm)
        projected, _ = linear_forward(inner, layer.self_attention.query_key_value)  # (B, W, 3D)
        self_cache[:, N - W : N] = projected[:, :, D:]
        [query] = split_heads(projected[:, :, :D], 1, heads)  # (B, H, W, K)
        key, value = split_heads(self_cache[:, :N], 2, heads)  # (B, H, N, K) each
        # With a single path in each sentence everything cached lies on it.
        mask = None if self._position + 1 == N else self._visible[:, None]  # (B, 1, W, N)
        update = self._attend(query, key, value, mask, layer.self_attention.output)
        x = self._after(x, update, layer.self_attention_norm)

        inner = self._before(x, layer.cross_attention_norm)
        projected, _ = linear_forward(inner, layer.cross_attention.query)  # (B, W, D)
        [query] = split_heads(projected, 1, heads)
        key, value = split_heads(cross_cache, 2, heads)  # (B, H, S, K) each
        update = self._attend(query, key, value, self._memory_mask, layer.cross_attention.output)
        x = self._after(x, update, layer.cross_attention_norm)

        x, _ = feed_forward_sublayer_forward(
            x, layer.feed_forward, layer.feed_forward_norm, self._config, dropouts=NO_DROPOUT
        )
        return x

    def _before(self, x: Array, parameters: LayerNormParameters) -> Array:
        inner, _ = before_sublayer_forward(x, parameters, norm=self._config.norm)
        return inner

    def _after(self, x: Array, update: Array, parameters: LayerNormParameters) -> Array:
        y, _ = after_sublayer_forward(x, update, parameters, norm=self._config.norm, dropout=None)
        return y

    def _attend(self, query: Array, key: Array, value: Array, mask: Any, output: LinearParameters) -> Array:
        """Attention of all heads, joined and projected: (B, H, W, K) -> (B, W, D)."""
        joined, _ = attend(query, key, value, mask)
        y, _ = linear_forward(joined, output)
        return y

    def _add_columns(self, W: int) -> None:
        """Room for one new token per hypothesis, each visible to its own hypothesis only."""
        if self._visible.shape[2] + W > self._self_caches[0].shape[1]:
            self._make_room(W)
        B, _, N = self._visible.shape
        past = self._xp.broadcast_to(self._visible, (B, W, N))
        new = self._xp.broadcast_to(self._xp.eye(W, dtype=bool), (B, W, W))
        self._visible = self._xp.concatenate([past, new], axis=2)

    def _make_room(self, W: int) -> None:
        """Drop the columns that no hypothesis sees any more; double the room if more than half of it is still needed.

        A sentence that needs fewer columns than another keeps some that stay invisible.
        """
        xp = self._xp
        needed = self._visible.any(axis=1)  # (B, N)
        N = int(needed.sum(axis=1).max())
        columns = xp.argsort(~needed, axis=1, kind="stable")[:, :N]  # the needed ones first, in their order
        self._visible = xp.take_along_axis(self._visible, columns[:, None, :], axis=2)
        sentences = xp.arange(len(columns))[:, None]
        for index, cache in enumerate(self._self_caches):
            B, room, width = cache.shape
            kept = cache[sentences, columns]
            if room < 2 * (N + W):
                cache = xp.empty((B, 2 * (N + W), width), dtype=cache.dtype)
            cache[:, :N] = kept
            self._self_caches[index] = cache


def rows_that_stay(live: Array) -> Array:
    """Which sentence each row of the smaller batch holds, when those not `live` (B,) leave: few change their row.

    The live sentences from the end of the batch take the places of those that left.
    """
    count = int(live.sum())
    rows = np.arange(count)
    rows[~live[:count]] = count + np.flatnonzero(live[count:])
    return rows
