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
from numpy_transformer.layers.attention import scaled_dot_product_attention_forward
from numpy_transformer.layers.embedding import embedding_forward
from numpy_transformer.layers.layer_norm import LayerNormParameters, layer_norm_forward
from numpy_transformer.layers.linear import LinearParameters, linear_forward
from numpy_transformer.layers.multi_head_attention import split_heads
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

        B, S, D = memory.shape
        L, H = self._config.decoder_layers, self._config.heads
        # Axis 1: key, value.
        self._cross_cache = self._xp.empty((L, 2, B, H, S, D // H), dtype=memory.dtype)
        self._self_cache = self._xp.empty((L, 2, B, H, FIRST_ROOM, D // H), dtype=memory.dtype)
        for index, layer in enumerate(self._parameters.decoder):
            projected, _ = linear_forward(memory, layer.cross_attention.key_value)  # (B, S, 2D)
            self._cross_cache[index, 0], self._cross_cache[index, 1] = split_heads(projected, 2, H)
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
            self._follow(to_device(parents, self._xp))
        self._add_columns(W)
        x, _ = embedding_forward(to_device(tokens.reshape(B * W, 1), self._xp), self._parameters.embedding)
        x = positional_encoding_forward(x, start=self._position).reshape(B, W, -1)
        for index, layer in enumerate(self._parameters.decoder):
            x = self._layer(x, index, layer)
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
        moved = np.flatnonzero(rows != np.arange(len(rows)))
        B, N = len(rows), self._visible.shape[2]
        if len(moved):
            to, origin = to_device(moved, self._xp), to_device(rows[moved], self._xp)
            self._cross_cache[:, :, to] = self._cross_cache[:, :, origin]
            self._self_cache[:, :, to, :, :N] = self._self_cache[:, :, origin, :, :N]
        self._cross_cache, self._self_cache = self._cross_cache[:, :, :B], self._self_cache[:, :, :B]
        on_device = to_device(rows, self._xp)
        self._memory_mask, self._visible = self._memory_mask[on_device], self._visible[on_device]

    def _layer(self, x: Array, index: int, layer: DecoderLayerParameters) -> Array:
        """One decoder layer at the new position: x (B, W, D) -> (B, W, D)."""
        heads = self._config.heads
        N = self._visible.shape[2]
        key, value = self._self_cache[index, :, :, :, :N]  # (B, H, N, K) each
        # With a single path in each sentence everything cached lies on it.
        mask = None if self._position + 1 == N else self._visible[:, None]  # (B, 1, W, N)

        inner = self._before(x, layer.self_attention_norm)
        projected, _ = linear_forward(inner, layer.self_attention.query_key_value)  # (B, W, 3D)
        query, new_key, new_value = split_heads(projected, 3, heads)
        key[:, :, N - x.shape[1] :], value[:, :, N - x.shape[1] :] = new_key, new_value
        update = self._attend(query, key, value, mask, layer.self_attention.output)
        x = self._after(x, update, layer.self_attention_norm)

        inner = self._before(x, layer.cross_attention_norm)
        projected, _ = linear_forward(inner, layer.cross_attention.query)  # (B, W, D)
        [query] = split_heads(projected, 1, heads)
        key, value = self._cross_cache[index]  # (B, H, S, K) each
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
        B, H, W, K = query.shape
        joined = self._xp.empty((B, W, H * K), dtype=query.dtype)
        [context] = split_heads(joined, 1, H)
        scaled_dot_product_attention_forward(query=query, key=key, value=value, mask=mask, out=context)
        y, _ = linear_forward(joined, output)
        return y

    def _follow(self, parents: Array) -> None:
        """Each hypothesis sees from now on what its parent saw."""
        self._visible = self._xp.take_along_axis(self._visible, parents[:, :, None], axis=1)

    def _add_columns(self, W: int) -> None:
        """Room for one new token per hypothesis, each visible to its own hypothesis only."""
        if self._visible.shape[2] + W > self._self_cache.shape[4]:
            self._drop_invisible()
            self._grow(self._visible.shape[2] + W)
        own = self._xp.eye(W, dtype=bool)
        new = self._xp.broadcast_to(own, (len(self._visible), W, W))
        past = self._xp.broadcast_to(self._visible, (len(self._visible), W, self._visible.shape[2]))
        self._visible = self._xp.concatenate([past, new], axis=2)

    def _drop_invisible(self) -> None:
        """Keep only what some hypothesis still sees; sentences that need less than others keep invisible rests."""
        xp = self._xp
        needed = self._visible.any(axis=1)  # (B, N)
        N = int(needed.sum(axis=1).max())
        columns = xp.argsort(~needed, axis=1, kind="stable")[:, :N]  # the needed ones first, in their order
        self._visible = xp.take_along_axis(self._visible, columns[:, None, :], axis=2)
        self._self_cache[..., :N, :] = xp.take_along_axis(
            self._self_cache, columns[None, None, :, None, :, None], axis=4
        )

    def _grow(self, columns: int) -> None:
        """Make room for at least `columns`, and for half as many again so that this is done rarely."""
        *front, room, K = self._self_cache.shape
        N = self._visible.shape[2]
        if columns + columns // 2 <= room:
            return
        grown = self._xp.empty((*front, 2 * columns, K), dtype=self._self_cache.dtype)
        grown[..., :N, :] = self._self_cache[..., :N, :]
        self._self_cache = grown


def rows_that_stay(live: Array) -> Array:
    """Which sentence each row of the smaller batch holds, when those not `live` (B,) leave: few change their row.

    The live sentences from the end of the batch take the places of those that left.
    """
    count = int(live.sum())
    rows = np.arange(count)
    rows[~live[:count]] = count + np.flatnonzero(live[count:])
    return rows
