"""The incremental decoder: one new position per step, everything already computed is kept.

A plain decoder would run over the whole translation again for each new token. But the causal mask means that no
position ever changes once it is computed, so a step needs only the new token's query, and of the past only each
layer's self-attention keys and values. The source side is computed once per sentence: the encoder, and each layer's
cross-attention keys and values.

Of each sentence B, a step extends W hypotheses at once. They share everything they can:

    cross-attention    query (B, H, W, K) against one key (B, H, S, K): the hypotheses are rows of one matrix product
    self-attention     query (B, H, W, K) against one key (B, H, N, K), where N counts the tokens cached so far of all
                       hypotheses together, and `hidden` (B, W, N) says which of them do not stand on a hypothesis's
                       own path: it is added to the scores, 0 for what may be seen, else a large negative number

So when beam search lets two hypotheses continue the same parent, no key or value moves: only rows of `hidden` do.
Tokens that no hypothesis can see any more are dropped when the room runs out.

The batch is continuous: a sentence that is done leaves, and another takes its room while the rest go on.

The weights may be packed for products with few rows (packed.py). All the mathematics is that of the layers; this file
only decides what to keep.
"""

import math

import numpy as np

from numpy_transformer.backend import Array, array_module, to_device
from numpy_transformer.blocks import NO_DROPOUT, DecoderLayerParameters, feed_forward_sublayer_forward
from numpy_transformer.decoding.packed import PackedModel
from numpy_transformer.layers.attention import MASKED_SCORE
from numpy_transformer.layers.embedding import embedding_forward
from numpy_transformer.layers.layer_norm import LayerNormParameters, layer_norm_forward
from numpy_transformer.layers.linear import LinearParameters, linear_forward
from numpy_transformer.layers.matmul import matmul
from numpy_transformer.layers.multi_head_attention import split_heads
from numpy_transformer.layers.positional_encoding import positional_encoding_rows
from numpy_transformer.layers.residual import after_sublayer_forward, before_sublayer_forward
from numpy_transformer.layers.softmax import softmax_forward
from numpy_transformer.model import Transformer
from numpy_transformer.transformer import encoder_forward

FIRST_ROOM = 32  # tokens per sentence that the cache has room for at first


class IncrementalDecoder:
    """Decodes a batch of sentences, one position a step.

    `source` is a host array (B, S) of ids, padded behind with pad_id. The batch shrinks with `retain` and grows with
    `admit`; `step` always works on the sentences that are in it, each at a position of its own.
    """

    def __init__(self, model: Transformer | PackedModel, source: Array) -> None:
        self._model = model if isinstance(model, PackedModel) else PackedModel(model)
        self._config = model.config
        self._embedding = self._model.parameters.embedding
        self._xp = array_module(self._embedding.weight)
        self._positions = np.zeros(0, dtype=np.intp)  # (B,) tokens so far
        self._lengths = np.zeros(0, dtype=np.intp)  # (B,) source tokens; like the positions, on the host
        # Of each layer, key and value side by side, as the projections make them. Of the rows the first B are in use.
        width, layers = 2 * self._config.d_model, self._model.decoder
        dtype = self._embedding.weight.dtype
        self._cross_caches = [self._xp.zeros((0, 0, width), dtype=dtype) for _ in layers]  # (rows, S, 2D)
        # (rows, room, 2D), of which N columns are in use
        self._self_caches = [self._xp.zeros((0, FIRST_ROOM, width), dtype=dtype) for _ in layers]
        self._padding = self._xp.zeros((0, 0), dtype=dtype)  # (B, S) 0 at source tokens, MASKED_SCORE at padding
        self._hidden = self._xp.zeros((0, 1, 0), dtype=dtype)  # (B, W, N)
        self._weights: Array | None = None
        self.admit(source)

    def admit(self, source: Array) -> None:
        """Sentences (n, S) join behind those already there; their next tokens are bos, in all W columns."""
        xp = self._xp
        on_device = to_device(source, xp)
        memory, _ = encoder_forward(on_device, self._model.parameters, self._config, dropouts=NO_DROPOUT)
        B, (n, length) = len(self._positions), source.shape
        if B == 0:
            self._hidden = self._hidden[:, :1, :0]
        _, W, N = self._hidden.shape
        rows, S = max(B + n, len(self._self_caches[0])), max(length, self._padding.shape[1])
        for index, layer in enumerate(self._model.decoder):
            cross, _ = linear_forward(memory, layer.cross_attention.key_value)
            # What is masked has weight 0, but 0 * NaN is NaN: unused room must hold numbers.
            self._cross_caches[index] = _with_room(self._cross_caches[index], B, rows, S)
            self._cross_caches[index][B : B + n, :length] = cross
            self._cross_caches[index][B : B + n, length:] = 0
            self._self_caches[index] = _with_room(self._self_caches[index], B, rows, self._self_caches[index].shape[1])
            self._self_caches[index][B : B + n] = 0
        padding = self._xp.full((B + n, S), MASKED_SCORE, dtype=self._padding.dtype)
        padding[:B, : self._padding.shape[1]] = self._padding
        xp.copyto(padding[B:, :length], 0, where=on_device != self._config.pad_id)
        self._padding = padding
        nothing_seen = xp.full((n, W, N), MASKED_SCORE, dtype=self._hidden.dtype)
        self._hidden = xp.concatenate([self._hidden, nothing_seen])
        self._positions = np.concatenate([self._positions, np.zeros(n, dtype=np.intp)])
        self._lengths = np.concatenate([self._lengths, (source != self._config.pad_id).sum(axis=1)])

    def step(self, tokens: Array, parents: Array | None = None) -> Array:
        """tokens (B, W), one new token per hypothesis -> the next token's logits (B, W, V), an array of its own.

        Hypothesis w continues hypothesis parents[b, w] of the step before; None means that each continues itself, as
        it must at the first step, whose tokens are bos. W may differ from step to step. Both are host arrays of ids.
        """
        B, W = tokens.shape
        if parents is not None and self._hidden.shape[2]:
            sentences = self._xp.arange(B)[:, None]
            self._hidden = self._hidden[sentences, to_device(parents, self._xp)]
        self._add_columns(W)
        x, _ = embedding_forward(to_device(tokens, self._xp), self._embedding)  # (B, W, D)
        x += positional_encoding_rows(self._positions, x)[:, None, :]
        N = self._hidden.shape[2]
        # With a single path in each sentence, all of one age, everything cached lies on it.
        hidden = None if (self._positions + 1 == N).all() else self._hidden[:, None]  # (B, 1, W, N)
        is_padded = (self._lengths < self._padding.shape[1]).any()
        padding = self._padding[:, None, None, :] if is_padded else None  # (B, 1, 1, S)
        layers = zip(self._model.decoder, self._self_caches, self._cross_caches, strict=True)
        for layer, self_cache, cross_cache in layers:
            x = self._layer(x, layer, self_cache[:B, :N], cross_cache[:B, : self._padding.shape[1]], hidden, padding)
        if self._model.parameters.decoder_norm is not None:
            x, _ = layer_norm_forward(x, self._model.parameters.decoder_norm)
        self._positions += 1
        return self._model.logits(x.reshape(B * W, -1)).reshape(B, W, -1)

    def source_weights(self) -> Array:
        """(B, W, S) how much the last step's hypotheses looked at each source token: the mean of the last layer's
        heads."""
        assert self._weights is not None, "there was no step yet"
        return self._weights.mean(axis=1)

    def retain(self, rows: Array) -> None:
        """Go on with fewer sentences: sentence b of the new batch is sentence rows[b] of the present one.

        `rows` (host array, each row at most once) should leave as many sentences as possible where they are, since
        only the others are copied; see `rows_that_stay`.
        """
        N = self._hidden.shape[2]
        moved = np.flatnonzero(rows != np.arange(len(rows)))
        if len(moved):
            to, origin = to_device(moved, self._xp), to_device(rows[moved], self._xp)
            for cross_cache, self_cache in zip(self._cross_caches, self._self_caches, strict=True):
                cross_cache[to] = cross_cache[origin]
                self_cache[to, :N] = self_cache[origin, :N]
        on_device = to_device(rows, self._xp)
        self._positions, self._lengths = self._positions[rows], self._lengths[rows]
        self._hidden = self._hidden[on_device]
        # Columns of padding only are not looked at any more.
        self._padding = self._padding[on_device, : self._lengths.max(initial=0)]

    def _layer(
        self,
        x: Array,
        layer: DecoderLayerParameters,
        self_cache: Array,
        cross_cache: Array,
        hidden: Array | None,
        padding: Array | None,
    ) -> Array:
        """One decoder layer at the new position: x (B, W, D) -> (B, W, D).

        self_cache (B, N, 2D), whose last W columns are written; cross_cache (B, S, 2D).
        """
        heads = self._config.heads
        W, D = x.shape[1:]

        inner = self._before(x, layer.self_attention_norm)
        projected, _ = linear_forward(inner, layer.self_attention.query_key_value)  # (B, W, 3D)
        self_cache[:, -W:] = projected[:, :, D:]
        [query] = split_heads(projected[:, :, :D], 1, heads)  # (B, H, W, K)
        key, value = split_heads(self_cache, 2, heads)  # (B, H, N, K) each
        update, _ = self._attend(query, key, value, hidden, layer.self_attention.output)
        x = self._after(x, update, layer.self_attention_norm)

        inner = self._before(x, layer.cross_attention_norm)
        projected, _ = linear_forward(inner, layer.cross_attention.query)  # (B, W, D)
        [query] = split_heads(projected, 1, heads)
        key, value = split_heads(cross_cache, 2, heads)  # (B, H, S, K) each
        update, self._weights = self._attend(query, key, value, padding, layer.cross_attention.output)
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

    def _attend(
        self, query: Array, key: Array, value: Array, hidden: Array | None, output: LinearParameters
    ) -> tuple[Array, Array]:
        """Attention of all heads (attention.py), joined and projected: (B, H, W, K) -> (B, W, D), and its weights.

        `hidden` broadcasts to (B, H, W, N) and is added to the scores.
        """
        B, H, W, K = query.shape
        scores = matmul(query, key.swapaxes(-1, -2))  # (B, H, W, N)
        scores *= 1 / math.sqrt(K)
        if hidden is not None:
            scores += hidden
        weights, _ = softmax_forward(scores, out=scores)
        joined = self._xp.empty((B, W, H * K), dtype=query.dtype)
        [context] = split_heads(joined, 1, H)
        matmul(weights, value, out=context)
        y, _ = linear_forward(joined, output)
        return y, weights

    def _add_columns(self, W: int) -> None:
        """Room for one new token per hypothesis, each visible to its own hypothesis only."""
        if self._hidden.shape[2] + W > self._self_caches[0].shape[1]:
            self._make_room(W)
        B, _, N = self._hidden.shape
        past = self._xp.broadcast_to(self._hidden, (B, W, N))
        new = MASKED_SCORE * (1 - self._xp.eye(W, dtype=self._hidden.dtype))
        self._hidden = self._xp.concatenate([past, self._xp.broadcast_to(new, (B, W, W))], axis=2)

    def _make_room(self, W: int) -> None:
        """Drop the columns that no hypothesis sees any more; double the room if more than half of it is still needed.

        A sentence that needs fewer columns than another keeps some that stay invisible.
        """
        xp = self._xp
        needed = (self._hidden == 0).any(axis=1)  # (B, N)
        N = int(needed.sum(axis=1).max()) if len(needed) else 0
        columns = xp.argsort(~needed, axis=1, kind="stable")[:, :N]  # the needed ones first, in their order
        self._hidden = xp.take_along_axis(self._hidden, columns[:, None, :], axis=2)
        sentences = xp.arange(len(columns))[:, None]
        for index, cache in enumerate(self._self_caches):
            kept = cache[sentences, columns]
            if cache.shape[1] < 2 * (N + W):
                cache = xp.zeros((len(cache), 2 * (N + W), cache.shape[2]), dtype=cache.dtype)
            cache[: len(kept), :N] = kept
            self._self_caches[index] = cache


def _with_room(cache: Array, used: int, rows: int, columns: int) -> Array:
    """`cache` itself if it is large enough, else a larger one that begins with its `used` rows."""
    if rows <= cache.shape[0] and columns <= cache.shape[1]:
        return cache
    larger = array_module(cache).zeros((rows, max(columns, cache.shape[1]), cache.shape[2]), dtype=cache.dtype)
    larger[:used, : cache.shape[1]] = cache[:used]
    return larger


def rows_that_stay(live: Array) -> Array:
    """Which sentence each row of the smaller batch holds, when those not `live` (B,) leave: few change their row.

    The live sentences from the end of the batch take the places of those that left.
    """
    count = int(live.sum())
    rows = np.arange(count)
    rows[~live[:count]] = count + np.flatnonzero(live[count:])
    return rows
