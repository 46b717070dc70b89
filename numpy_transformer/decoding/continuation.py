"""A language model that goes on: one new token per step and text, everything already computed is kept.

The causal mask means that no position ever changes once it is computed. So a step needs only the new token's query and,
from the past, each layer's keys and values (as in incremental.py, where several hypotheses share them). The prompt is a
step of many tokens.

When the text is as long as the model's context, the window slides: the last half of it becomes the prompt of what
follows.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, ids_to_device, to_device, to_host
from numpy_transformer.decoding import on_card
from numpy_transformer.decoding.forwards import after, attention, before, feed_forward, layer_norm, linear
from numpy_transformer.decoding.packed import packed_where_it_pays
from numpy_transformer.decoding.token_by_token import Sampling, draw_tokens
from numpy_transformer.errors import InputError
from numpy_transformer.layers.embedding import embedding_forward, positional_encoding_forward
from numpy_transformer.layers.learned_positions import learned_positions_forward
from numpy_transformer.layers.output_loss import OutputParameters, output_projection
from numpy_transformer.layers.softmax import MASKED_SCORE
from numpy_transformer.models.decoder_only import LanguageModel
from numpy_transformer.models.model import check_ids

FIRST_ROOM = 64  # positions that the cache has room for at first


class Continuation:
    """The kept keys and values of B texts of equal length."""

    def __init__(self, model: LanguageModel, texts: int) -> None:
        model = model.quantised()
        self._config, self._tree = model.config, model.parameters.tree
        self._layers = packed_where_it_pays(self._tree.layers, model.parameters.flat)
        xp = array_module(model.parameters.flat)
        shape = len(self._layers), texts, FIRST_ROOM, 2 * self._config.d_model
        self._cache = xp.zeros(shape, dtype=model.parameters.flat.dtype)  # keys and values side by side
        self.length = 0  # tokens so far

    def step(self, tokens: Array) -> Array:
        """The next tokens (B, n), a host array -> logits (B, V) of the token behind them."""
        x = self._embed(tokens)
        (B, n), D, config = tokens.shape, x.shape[-1], self._config
        self._make_room(self.length + n)
        with_kernels = n == 1 and not isinstance(x, np.ndarray) and on_card.has_kernels(config)
        x = self._with_kernels(x.reshape(B, D)) if with_kernels else self._with_operations(x)
        self.length += n
        last = x.reshape(B, n, D)[:, -1].copy()
        if self._tree.last_norm is not None:
            last = layer_norm(last, self._tree.last_norm, epsilon=config.norm_epsilon)
        return output_projection(last, OutputParameters(self._tree.embedding.weight))

    def _with_kernels(self, x: Array) -> Array:
        """All layers at one new position of each text: x (B, D) -> (B, D), in few launches (on_card.py)."""
        B, N, config = len(x), self.length + 1, self._config
        bits = on_card.packed_bits(np.ones((B, N), dtype=bool))  # each text sees all that it has
        columns, seen = ids_to_device(array_module(x), np.full(B, self.length), bits)
        for layer, cache in zip(self._layers, self._cache, strict=True):
            x = on_card.self_attention_layer(
                x, layer, cache[:, :N], columns=columns, seen=seen, config=config, epsilon=config.norm_epsilon
            )
            x = on_card.feed_forward_layer(x, layer, config=config, epsilon=config.norm_epsilon)
        return x

    def _with_operations(self, x: Array) -> Array:
        """All layers at n new positions: x (B, n, D) -> (B n, D), in operations on arrays."""
        (B, n, D), config = x.shape, self._config
        xp, start, N = array_module(x), self.length, self.length + n
        mask_scores = None
        if n > 1:
            visible = np.arange(N) <= np.arange(start, N)[:, None]  # (n, N)
            mask_scores = to_device(np.where(visible, 0, MASKED_SCORE).astype(x.dtype), xp)
        x = x.reshape(B * n, D)
        for layer, cache in zip(self._layers, self._cache, strict=True):
            inner = before(x, layer.self_attention_norm, norm=config.norm, epsilon=config.norm_epsilon)
            projected = linear(inner, layer.self_attention.query_key_value)  # (B n, 3D)
            cache[:, start:N] = projected[:, D:].reshape(B, n, 2 * D)
            key, value = cache[:, :N].reshape(B, N, 2, config.heads, -1).transpose(2, 0, 3, 1, 4)  # (B, H, N, K)
            context, _ = attention(projected[:, :D], key.swapaxes(-1, -2), value, mask_scores)
            update = linear(context, layer.self_attention.output)
            x = after(x, update, layer.self_attention_norm, norm=config.norm, epsilon=config.norm_epsilon)

            inner = before(x, layer.feed_forward_norm, norm=config.norm, epsilon=config.norm_epsilon)
            update = feed_forward(inner, layer.feed_forward, activation=config.activation)
            x = after(x, update, layer.feed_forward_norm, norm=config.norm, epsilon=config.norm_epsilon)
        return x

    def _embed(self, tokens: Array) -> Array:
        tree = self._tree
        ids = to_device(tokens, array_module(tree.embedding.weight))
        if tree.input.positions is None:
            return positional_encoding_forward(embedding_forward(ids, tree.embedding), start=self.length)
        x = embedding_forward(ids, tree.embedding, scale=1)
        x = learned_positions_forward(x, tree.input.positions, start=self.length)
        if tree.input.norm is None:
            return x
        rows = layer_norm(x.reshape(-1, x.shape[-1]), tree.input.norm, epsilon=self._config.norm_epsilon)
        return rows.reshape(x.shape)

    def _make_room(self, positions: int) -> None:
        L, B, room, width = self._cache.shape
        if positions > room:
            shape = L, B, max(positions, 2 * room), width
            larger = array_module(self._cache).zeros(shape, dtype=self._cache.dtype)
            larger[:, :, :room] = self._cache
            self._cache = larger


def complete(
    model: LanguageModel, prompt: Sequence[int], count: int, sampling: Sampling | None = None, *, texts: int = 1
) -> Iterator[Array]:
    """The next `count` tokens after `prompt`, one (texts,) host array at a time: greedy, or sampled.

    A sample is a function of (seed, its number, prompt). Raises InputError for an empty prompt, one longer than the
    model's context, and unknown ids.
    """
    context = model.config.context
    if not prompt:
        raise InputError("the prompt is empty: give at least one character to go on from")
    if context is not None and len(prompt) > context:
        raise InputError(f"the prompt has {len(prompt)} tokens; the model's context is {context}: shorten the prompt")
    check_ids("prompt", np.asarray(prompt), model.config)
    forbidden = [i for i in (model.config.pad_id, model.config.bos_id) if 0 <= i != model.config.eos_id]
    generators = (
        None
        if sampling is None
        else [np.random.default_rng([sampling.seed, number, *prompt]) for number in range(texts)]
    )
    ids = np.tile(np.asarray(prompt), (texts, 1))
    state, new = Continuation(model, texts), ids
    for _ in range(count):
        logits = state.step(new)
        for token in forbidden:
            logits[:, token] = -np.inf
        if sampling is None or generators is None:
            chosen = logits.argmax(axis=-1)
        else:
            times = np.stack([generator.standard_exponential(logits.shape[1]) for generator in generators])
            chosen = draw_tokens(logits, to_device(times, array_module(logits)), sampling)
        tokens = np.asarray(to_host(chosen))
        yield tokens
        new = tokens[:, None]
        ids = np.concatenate([ids, new], axis=1)
        if context is not None and state.length >= context:
            state, new = Continuation(model, texts), ids[:, -max(1, context // 2) :]
