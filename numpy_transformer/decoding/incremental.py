"""The incremental decoder: one new position per step, everything already computed is kept.

A plain decoder would run over the whole translation again for each new token. But the causal mask means that no
position ever changes once it is computed, so a step needs only the new token's query, and, from the past, only each
layer's self-attention keys and values. The source side is computed once per sentence: the encoder, and each layer's
cross-attention keys and values.

A step extends W hypotheses of each sentence B at once. They share everything they can:

    cross-attention    query (B, H, W, K) against one key (B, H, S, K): the hypotheses are rows of one matrix product
    self-attention     query (B, H, W, K) against one key (B, H, N, K): the N columns hold the tokens of all hypotheses
                       together, and `seen` (B, W, N) says which of them stand on a hypothesis's own path

So when beam search lets two hypotheses continue the same parent, no key or value moves: only rows of `seen` do. A
column that no hypothesis sees any more is taken by a new token, so that N grows little faster than the translations.

The batch is continuous: a finished sentence leaves, and another takes its place while the rest go on.

With a shortlist there are logits for listed tokens only (lexical_shortlist.py): `vocabulary` names them.

The weights may be packed for products with few rows (packed.py). The mathematics is that of the layers (forwards.py; on
a card on_card.py, which has few launches); this file only decides what to keep.
"""

from typing import NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, to_device
from numpy_transformer.decoding import on_card
from numpy_transformer.decoding.forwards import after, attention, before, encode, feed_forward, layer_norm, linear
from numpy_transformer.decoding.lexical_shortlist import Shortlist
from numpy_transformer.decoding.packed import PackedModel
from numpy_transformer.layers.embedding import embedding_forward
from numpy_transformer.layers.position_table import positional_encoding_rows
from numpy_transformer.layers.softmax import MASKED_SCORE
from numpy_transformer.models.encoder_decoder import real_positions
from numpy_transformer.models.model import check_source
from numpy_transformer.models.transformer import Transformer

FIRST_ROOM = 32  # columns per sentence that the cache has room for at first
ENCODED_TOGETHER = 512  # source tokens, padding included: the results stay in the processor's cache
ENCODED_ON_A_CARD = 1 << 13  # enough to fill a card; more would only need more memory


class IncrementalDecoder:
    """Decodes a batch of sentences, one position per step.

    `source` is a host array (B, S) of ids, right-padded with pad_id, or (B, S, F) of feature vectors. The batch shrinks
    with `retain` and grows with `admit`; `step` works on the sentences that are in it, each at a position of its own.
    """

    def __init__(self, model: Transformer | PackedModel, source: Array, shortlist: Shortlist | None = None) -> None:
        self._model = model if isinstance(model, PackedModel) else PackedModel(model)
        self._config = model.config
        self._parameters = self._model.parameters
        self._embedding = self._parameters.embedding
        xp = array_module(self._embedding.weight)
        self._xp, self._dtype = xp, self._embedding.weight.dtype
        # Which sentence is where, and which column of the cache is whose: on the host.
        self._positions = np.zeros(0, dtype=np.intp)  # (B,) tokens so far
        self._lengths = np.zeros(0, dtype=np.intp)  # (B,) source tokens
        self._seen = np.zeros((0, 1, FIRST_ROOM), dtype=bool)  # (B, W, room)
        # Keys and values side by side, as the projections make them, of L layers. The first B rows are in use.
        L, width = len(self._parameters.decoder), 2 * self._config.d_model
        self._cross_cache = xp.zeros((L, 0, 0, width), dtype=self._dtype)  # (L, rows, S, 2D)
        self._self_cache = xp.zeros((L, 0, FIRST_ROOM, width), dtype=self._dtype)  # (L, rows, room, 2D)
        self._padding: Array | None = None  # (B, 1, 1, S) added to cross-attention's scores, if there is padding
        self._weights: Array | None = None  # (B, H, W, S) of the last step's last cross-attention
        self._has_kernels = xp is not np and on_card.has_kernels(self._config)
        self._asked: tuple[Array, on_card.Placed] | None = None  # with kernels, what the weights are computed from
        self.vocabulary = np.arange(self._config.vocabulary_size)  # (V,) on the host: the token of each logit
        self._shortlist = shortlist
        self._listed = np.zeros((0, len(self.vocabulary)), dtype=bool)  # (B, all tokens)
        self._unlisted: Array | None = None  # (B, 1, V) added to the logits: -inf where a token is not listed
        self._projection = self._model.projection
        self._logits = xp.zeros((0, len(self.vocabulary)), dtype=self._dtype)
        self.admit(source)

    def admit(self, source: Array) -> None:
        """Sentences (n, S) are appended to those already there; their next tokens are bos, in all W columns.

        Raises InputError for ids that are not in the vocabulary, or for vectors of another model.
        """
        check_source(source, self._config)
        B, (n, length) = len(self._positions), source.shape[:2]
        self._lengths = np.concatenate([self._lengths, real_positions(source, self._config).sum(axis=1)])
        self._positions = np.concatenate([self._positions, np.zeros(n, dtype=np.intp)])
        _, W, room = self._seen.shape
        self._seen = np.concatenate([self._seen, np.zeros((n, W, room), dtype=bool)])
        # What is masked has weight 0, but 0 * NaN is NaN: unused room must hold numbers.
        self._cross_cache = _with_room(self._cross_cache, B + n, length)
        self._self_cache = _with_room(self._self_cache, B + n, room)
        on_device = to_device(source, self._xp)
        together = max(1, (ENCODED_TOGETHER if self._xp is np else ENCODED_ON_A_CARD) // length)
        for start in range(0, n, together):
            some = on_device[start : start + together]
            memory = encode(some, self._parameters, self._config)  # (n S, D)
            for cross_cache, layer in zip(self._cross_cache, self._parameters.decoder, strict=True):
                key_value = linear(memory, layer.cross_attention.key_value)
                cross_cache[B + start : B + start + len(some), :length] = key_value.reshape(*some.shape[:2], -1)
        self._mask_padding()
        if self._shortlist is not None:
            self._listed = np.concatenate([self._listed, self._shortlist.listed(source)])
            self.vocabulary = np.flatnonzero(self._listed.any(axis=0))
            self._projection = self._model.projection.onto(self.vocabulary)
            self._logits = self._xp.zeros((0, len(self.vocabulary)), dtype=self._dtype)
            self._mask_unlisted()

    def step(self, tokens: Array, parents: Array | None = None) -> Array:
        """tokens (B, W), one new token per hypothesis -> the next token's logits (B, W, V), until the next step.

        Hypothesis w continues hypothesis parents[b, w] of the step before; None means that each continues itself, as
        it must at the first step, whose tokens are bos. W may differ from step to step. Both are host arrays of ids.
        """
        B, W = tokens.shape
        columns = self._new_columns(np.arange(B)[:, None], W, parents)  # (B, W)
        x = self._with_kernels(tokens, columns) if self._has_kernels else self._with_operations(tokens, columns)
        last = self._parameters.decoder_norm
        if last is not None:
            x = layer_norm(x, last)
        self._positions += 1
        if len(self._logits) < B * W:
            V, like = self._logits.shape[1], self._logits
            self._logits = np.empty((B * W, V), self._dtype) if self._xp is np else on_card.empty_logits(B * W, V, like)
        logits = self._projection.logits(x, out=self._logits[: B * W]).reshape(B, W, -1)
        if self._unlisted is not None:
            logits += self._unlisted
        return logits

    def _with_kernels(self, tokens: Array, columns: Array) -> Array:
        """All decoder layers at the new positions: tokens (B, W) -> (B W, D), in few launches."""
        B, N = len(tokens), self._width()
        step = on_card.placed(tokens, self._positions, columns, self._seen[:, :, :N], self._lengths, self._self_cache)
        x = on_card.embedded(step, self._embedding, length=int(self._positions.max(initial=0)) + 1)
        own, memory = self._self_cache[:, :B, :N], self._memory()
        x, query = on_card.decoder_layers(x, step, self._parameters.decoder, own, memory, self._config)
        self._asked = query, step
        return x

    def _with_operations(self, tokens: Array, columns: Array) -> Array:
        """The same in operations on arrays, as the layers have them."""
        (B, W), N = tokens.shape, self._width()
        seen = self._seen[:, None, :, :N]  # (B, 1, W, N)
        zero, masked = self._dtype.type(0), self._dtype.type(MASKED_SCORE)
        mask_scores = None if seen.all() else to_device(np.where(seen, zero, masked), self._xp)
        new = to_device(np.arange(B)[:, None], self._xp), to_device(columns, self._xp)

        x = embedding_forward(to_device(tokens, self._xp), self._embedding)  # (B, W, D)
        x += positional_encoding_rows(self._positions, x)[:, None, :]
        return self._layers(x.reshape(B * W, -1), new, N, mask_scores)

    def _layers(self, x: Array, new: tuple[Array, Array], N: int, mask_scores: Array | None) -> Array:
        """All decoder layers at the new positions: x (B W, D) -> (B W, D).

        `new` says where each position's key and value are put: sentences (B, 1) and columns (B, W). `mask_scores`
        (B, 1, W, N) is added to self-attention's scores, None where every hypothesis sees all columns.
        """
        B, D, norm = len(self._positions), x.shape[1], self._config.norm
        own = self._by_head(self._self_cache[:, :B, :N])
        memory = self._by_head(self._memory())
        for number, layer in enumerate(self._parameters.decoder):
            p = layer.self_attention
            projected = linear(before(x, layer.self_attention_norm, norm=norm), p.query_key_value)  # (B W, 3D)
            self._self_cache[number][new] = projected[:, D:].reshape(B, -1, 2 * D)
            context, _ = attention(projected[:, :D], own.key[number], own.value[number], mask_scores)
            x = after(x, linear(context, p.output), layer.self_attention_norm, norm=norm)

            q = layer.cross_attention
            query = linear(before(x, layer.cross_attention_norm, norm=norm), q.query)
            context, self._weights = attention(query, memory.key[number], memory.value[number], self._padding)
            x = after(x, linear(context, q.output), layer.cross_attention_norm, norm=norm)

            inner = before(x, layer.feed_forward_norm, norm=norm)
            update = feed_forward(inner, layer.feed_forward, activation=self._config.activation)
            x = after(x, update, layer.feed_forward_norm, norm=norm)
        return x

    def source_weights(self) -> Array:
        """(B, W, S) how much the last step's hypotheses looked at each source token: the mean of the last layer's
        heads."""
        if self._asked is not None:
            query, step = self._asked
            weights = on_card.source_weights(
                query, step, self._parameters.decoder[-1], self._memory()[-1], self._config
            )
            return weights.mean(axis=1).reshape(len(step.lengths), -1, weights.shape[2])
        assert self._weights is not None, "there was no step yet"
        return self._weights.mean(axis=1)

    def retain(self, rows: Array) -> None:
        """Continue with fewer sentences: sentence b of the new batch is sentence rows[b] of the present one.

        `rows` (host array, each row at most once) should leave as many sentences as possible where they are, since
        only the others are copied; see `rows_that_stay`.
        """
        N = self._width()
        moved = np.flatnonzero(rows != np.arange(len(rows)))
        if len(moved):
            to, origin = to_device(moved, self._xp), to_device(rows[moved], self._xp)
            self._cross_cache[:, to] = self._cross_cache[:, origin]
            self._self_cache[:, to, :N] = self._self_cache[:, origin, :N]
        self._positions, self._lengths, self._seen = self._positions[rows], self._lengths[rows], self._seen[rows]
        self._mask_padding()
        if self._shortlist is not None:
            self._listed = self._listed[rows]
            self._mask_unlisted()

    def _memory(self) -> Array:
        """The cached keys and values of the source (L, B, S, 2D), S the longest of these sentences."""
        return self._cross_cache[:, : len(self._positions), : self._lengths.max(initial=0)]

    def _width(self) -> int:
        """N, the number of columns up to the last that is in use."""
        return int(np.flatnonzero(self._seen.any(axis=(0, 1))).max(initial=-1)) + 1

    def _new_columns(self, sentences: Array, W: int, parents: Array | None) -> Array:
        """A column of its own for each new token (B, W): each sentence's first ones that no hypothesis still sees.

        Each hypothesis sees what its parent saw, and its own new token.
        """
        if parents is not None:
            self._seen = self._seen[sentences, parents]
        elif self._seen.shape[1] != W:
            self._seen = np.repeat(self._seen[:, :1], W, axis=1)
        taken = self._seen.any(axis=1)  # (B, room)
        needed = int(taken.sum(axis=1).max(initial=0)) + W
        room = taken.shape[1]
        if needed > room:
            room = max(needed, 2 * room)
            self._self_cache = _with_room(self._self_cache, self._self_cache.shape[1], room)
            more = room - taken.shape[1]
            self._seen = np.pad(self._seen, ((0, 0), (0, 0), (0, more)))
            taken = np.pad(taken, ((0, 0), (0, more)))
        columns = np.argsort(taken, axis=1, kind="stable")[:, :W]
        self._seen[sentences, np.arange(W), columns] = True
        return columns

    def _mask_padding(self) -> None:
        """After the batch has changed; columns of padding only are skipped. Kernels ask for the lengths instead."""
        if self._has_kernels:
            return
        columns = np.arange(self._lengths.max(initial=0))
        padding = columns >= self._lengths[:, None]  # (B, S)
        self._padding = None
        if padding.any():
            scores = np.where(padding, MASKED_SCORE, 0).astype(self._dtype)
            self._padding = to_device(scores[:, None, None, :], self._xp)

    def _mask_unlisted(self) -> None:
        """After the batch has changed."""
        unlisted = np.where(self._listed[:, None, self.vocabulary], self._dtype.type(0), self._dtype.type(-np.inf))
        self._unlisted = to_device(unlisted, self._xp)

    def _by_head(self, cache: Array) -> "_KeyValue":
        """(L, B, N, 2D) -> views of its keys and values."""
        heads = cache.reshape(*cache.shape[:3], 2, self._config.heads, -1).transpose(3, 0, 1, 4, 2, 5)
        return _KeyValue(heads[0].swapaxes(-1, -2), heads[1])


class _KeyValue(NamedTuple):
    """The cached keys and values of L layers."""

    key: Array  # (L, B, H, K, N), transposed as the scores need it
    value: Array  # (L, B, H, N, K)


def _with_room(cache: Array, rows: int, columns: int) -> Array:
    """`cache` (L, rows, columns, 2D) itself if it is large enough, else a larger one that begins with it."""
    L, had_rows, had_columns, width = cache.shape
    if rows <= had_rows and columns <= had_columns:
        return cache
    larger = array_module(cache).zeros((L, max(rows, had_rows), max(columns, had_columns), width), dtype=cache.dtype)
    larger[:, :had_rows, :had_columns] = cache
    return larger


def rows_that_stay(live: Array) -> Array:
    """Which sentence each row of the smaller batch holds, when those not `live` (B,) leave: few change their row.

    The live sentences from the end of the batch take the places of those that left.
    """
    count = int(live.sum())
    rows = np.arange(count)
    rows[~live[:count]] = count + np.flatnonzero(live[count:])
    return rows
