"""What learners write when they have misunderstood something: wrong functions with the right signature.

A mutant is a slip in one term; these are wrong ideas. If a solution computes what one of them computes, the checker
names the idea.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from numpy_transformer.exercises import references
from numpy_transformer.exercises.references import Array


def table_overwritten(dy: Array, ids: Array, gradients: references.EmbeddingParameters) -> None:
    gradients.weight[ids] += math.sqrt(dy.shape[-1]) * dy  # of equal ids only the last counts


def table_assigned(dy: Array, ids: Array, gradients: references.EmbeddingParameters) -> None:
    gradients.weight[...] = 0
    np.add.at(gradients.weight, ids, math.sqrt(dy.shape[-1]) * dy)


def lookups_only(
    dlogits: Array, states: Array, dsource: Array, source_ids: Array, gradients: references.EmbeddingParameters
) -> None:
    gradients.weight[...] = 0
    np.add.at(gradients.weight, source_ids, math.sqrt(states.shape[-1]) * dsource)


def unscaled_lookup(ids: Array, parameters: references.EmbeddingParameters) -> Array:
    return parameters.weight[ids]


def halves_instead_of_pairs(length: int, d_model: int) -> Array:
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, d_model, 2) / d_model)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def positions_from_one(length: int, d_model: int) -> Array:
    from numpy_transformer.layers.position_table import sinusoids

    return sinusoids(length + 1, d_model)[1:]


def averaged_linear(dy: Array, x: Array, parameters: Any, gradients: Any) -> Array:
    rows, drows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    gradients.weight[...] = rows.T @ drows / len(rows)
    gradients.bias[...] = drows.mean(axis=0)
    return dy @ parameters.weight.T


def averaged_bias(dy: Array, x: Array, parameters: Any, gradients: Any) -> Array:
    rows, drows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    gradients.weight[...] = rows.T @ drows
    gradients.bias[...] = drows.mean(axis=0)
    return dy @ parameters.weight.T


def softmax_over_queries(x: Array, mask: Array | None = None) -> Array:
    x = x if mask is None else np.where(mask, x, -1e30)
    e = np.exp(x - x.max(axis=-2, keepdims=True))
    return e / e.sum(axis=-2, keepdims=True)


def softmax_without_shift(x: Array, mask: Array | None = None) -> Array:
    e = np.exp(x) if mask is None else np.exp(x) * mask
    total = e.sum(axis=-1, keepdims=True)
    return e / (total + (total == 0))


def mask_after_softmax(x: Array, mask: Array | None = None) -> Array:
    y = references.softmax_forward(x)
    return y if mask is None else y * mask


def equal_weights_where_all_is_hidden(x: Array, mask: Array | None = None) -> Array:
    return references.softmax_forward(x if mask is None else np.where(mask, x, -1e9))


def feature_index_as_i(length: int, d_model: int) -> Array:
    features = np.arange(d_model)
    angles = np.arange(length)[:, None] / 10000 ** (2 * features / d_model)
    return np.where(features % 2, np.cos(angles), np.sin(angles))


def elementwise_softmax_backward(dy: Array, y: Array) -> Array:
    return dy * y * (1 - y)


def strictly_causal(length: int) -> Array:
    return np.tril(np.ones((length, length), dtype=bool), -1)


def causal_upside_down(length: int) -> Array:
    return np.triu(np.ones((length, length), dtype=bool))


def padding_is_true(ids: Array, pad_id: int) -> Array:
    return (ids == pad_id)[:, None, None, :]


def padding_of_queries(ids: Array, pad_id: int) -> Array:
    return (ids != pad_id)[:, None, :, None]


def unscaled_attention(query: Array, key: Array, value: Array, mask: Array | None = None) -> tuple[Array, Array]:
    return references.attention_forward(query * math.sqrt(query.shape[-1]), key, value, mask)


def attention_scaled_by_width(query: Array, key: Array, value: Array, mask: Array | None = None) -> tuple[Array, Array]:
    return references.attention_forward(query / math.sqrt(query.shape[-1]), key, value, mask)


def _attend(query: Array, key: Array, value: Array, weigh: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Attention whose weights are weigh(scores)."""
    weights = weigh(query @ key.swapaxes(-1, -2) / math.sqrt(query.shape[-1]))
    return weights @ value, weights


def attention_masked_late(query: Array, key: Array, value: Array, mask: Array | None = None) -> tuple[Array, Array]:
    return _attend(query, key, value, lambda scores: mask_after_softmax(scores, mask))


def attention_masked_with_zero(
    query: Array, key: Array, value: Array, mask: Array | None = None
) -> tuple[Array, Array]:
    weigh = references.softmax_forward
    return _attend(query, key, value, lambda scores: weigh(scores if mask is None else scores * mask))


def attention_inverted(query: Array, key: Array, value: Array, mask: Array | None = None) -> tuple[Array, Array]:
    return references.attention_forward(query, key, value, None if mask is None else ~mask)


def attention_over_queries(query: Array, key: Array, value: Array, mask: Array | None = None) -> tuple[Array, Array]:
    return _attend(query, key, value, lambda scores: softmax_over_queries(scores, mask))


def attention_sees_where_all_is_hidden(
    query: Array, key: Array, value: Array, mask: Array | None = None
) -> tuple[Array, Array]:
    return _attend(query, key, value, lambda scores: equal_weights_where_all_is_hidden(scores, mask))


def heads_without_swap(x: Array, heads: int) -> Array:
    B, T, D = x.shape
    return x.reshape(B, heads, T, D // heads)


def heads_interleaved(x: Array, heads: int) -> Array:
    B, T, D = x.shape
    return x.reshape(B, T, D // heads, heads).transpose(0, 3, 1, 2)


def joined_without_swap(x: Array) -> Array:
    B, H, T, K = x.shape
    return x.reshape(B, T, H * K)


def relu_of_gradient(dy: Array, x: Array) -> Array:
    return np.maximum(dy, 0)


def relu_times_x(dy: Array, x: Array) -> Array:
    return dy * np.maximum(x, 0)


def norm_over_everything(x: Array, parameters: Any, epsilon: float = 1e-5) -> tuple[Array, Array, Array]:
    inverse = np.full((*x.shape[:-1], 1), 1 / math.sqrt(x.var() + epsilon))
    normalized = (x - x.mean()) * inverse
    return normalized * parameters.gain + parameters.bias, normalized, inverse


def norm_with_n_minus_one(x: Array, parameters: Any, epsilon: float = 1e-5) -> tuple[Array, Array, Array]:
    inverse = 1 / np.sqrt(x.var(axis=-1, ddof=1, keepdims=True) + epsilon)
    normalized = (x - x.mean(axis=-1, keepdims=True)) * inverse
    return normalized * parameters.gain + parameters.bias, normalized, inverse


def norm_epsilon_outside(x: Array, parameters: Any, epsilon: float = 1e-5) -> tuple[Array, Array, Array]:
    inverse = 1 / (np.sqrt(x.var(axis=-1, keepdims=True)) + epsilon)
    normalized = (x - x.mean(axis=-1, keepdims=True)) * inverse
    return normalized * parameters.gain + parameters.bias, normalized, inverse


def norm_statistics_constant(
    dy: Array, normalized: Array, inverse_deviation: Array, parameters: Any, gradients: Any
) -> Array:
    references.layer_norm_backward(dy, normalized, inverse_deviation, parameters, gradients)
    return dy * parameters.gain * inverse_deviation


def norm_without_gain(dy: Array, normalized: Array, inverse_deviation: Array, parameters: Any, gradients: Any) -> Array:
    references.layer_norm_backward(dy, normalized, inverse_deviation, parameters, gradients)
    shift = dy.mean(axis=-1, keepdims=True)
    stretch = (dy * normalized).mean(axis=-1, keepdims=True)
    return (dy - shift - normalized * stretch) * inverse_deviation


def dropout_unscaled(x: Array, kept: Array, p: float) -> Array:
    return x * kept


def dropout_scaled_by_p(x: Array, kept: Array, p: float) -> Array:
    return x * kept / p


def gradient_undropped(dy: Array, kept: Array, p: float) -> Array:
    return dy


def gradient_unscaled(dy: Array, kept: Array, p: float) -> Array:
    return dy * kept


def residual_always_post(x: Array, sublayer: Any, layer_norm: Any, norm: str) -> Array:
    return references.residual_forward(x, sublayer, layer_norm, "post")


def residual_path_forgotten(dy: Array, sublayer_backward: Any, layer_norm_backward: Any, norm: str) -> Array:
    if norm == "post":
        return sublayer_backward(layer_norm_backward(dy))
    return layer_norm_backward(sublayer_backward(dy))


def pre_in_forward_order(dy: Array, sublayer_backward: Any, layer_norm_backward: Any, norm: str) -> Array:
    if norm == "post":
        return references.residual_backward(dy, sublayer_backward, layer_norm_backward, norm)
    return dy + sublayer_backward(layer_norm_backward(dy))


def skip_around_the_norm(dy: Array, sublayer_backward: Any, layer_norm_backward: Any, norm: str) -> Array:
    if norm == "post":
        return dy + sublayer_backward(layer_norm_backward(dy))
    return references.residual_backward(dy, sublayer_backward, layer_norm_backward, norm)


def encoder_without_residuals(x: Array, attention: Any, norm_1: Any, feed_forward: Any, norm_2: Any) -> Array:
    return norm_2(feed_forward(norm_1(attention(x))))


def encoder_skips_forgotten(
    dy: Array, attention_backward: Any, norm_1_backward: Any, feed_forward_backward: Any, norm_2_backward: Any
) -> Array:
    return attention_backward(norm_1_backward(feed_forward_backward(norm_2_backward(dy))))


def encoder_norm_inside(x: Array, attention: Any, norm_1: Any, feed_forward: Any, norm_2: Any) -> Array:
    middle = x + attention(norm_1(x))
    return middle + feed_forward(norm_2(middle))


def encoder_in_forward_order(
    dy: Array, attention_backward: Any, norm_1_backward: Any, feed_forward_backward: Any, norm_2_backward: Any
) -> Array:
    return references.encoder_layer_backward(
        dy, feed_forward_backward, norm_2_backward, attention_backward, norm_1_backward
    )


def decoder_asks_memory(
    x: Array, memory: Array, self_attention: Any, cross_attention: Any, feed_forward: Any, norms: Any
) -> Array:
    return references.decoder_layer_forward(
        x, memory, self_attention, lambda a, b: cross_attention(b, a), feed_forward, norms
    )


def memory_gradient_assigned(
    dy: Array,
    dmemory: Array,
    self_attention_backward: Any,
    cross_attention_backward: Any,
    feed_forward_backward: Any,
    norm_backwards: Any,
) -> Array:
    dmemory[...] = 0
    return references.decoder_layer_backward(
        dy, dmemory, self_attention_backward, cross_attention_backward, feed_forward_backward, norm_backwards
    )


def loss_over_rows(logits: Array, targets: Array, label_smoothing: float, token_count: int) -> tuple[float, Array]:
    return references.cross_entropy_forward(logits, targets, label_smoothing, len(logits))


def smoothing_over_others(
    logits: Array, targets: Array, label_smoothing: float, token_count: int
) -> tuple[float, Array]:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    V = logits.shape[-1]
    q = np.full_like(logits, label_smoothing / (V - 1))
    q[np.arange(len(targets)), targets] = 1 - label_smoothing
    return float(-(q * log_p).sum() / token_count), np.exp(log_p)


def smoothing_forgotten(probabilities: Array, targets: Array, label_smoothing: float, token_count: int) -> Array:
    return references.cross_entropy_backward(probabilities, targets, 0.0, token_count)


def gradient_not_divided(probabilities: Array, targets: Array, label_smoothing: float, token_count: int) -> Array:
    return references.cross_entropy_backward(probabilities, targets, label_smoothing, 1)


def padding_counted(losses: Array, targets: Array, pad_id: int) -> float:
    return float(losses.mean())


def padding_in_the_count(losses: Array, targets: Array, pad_id: int) -> float:
    return float((losses * (targets != pad_id)).mean())


def mean_of_sentence_means(losses: Array, targets: Array, pad_id: int) -> float:
    real = targets != pad_id
    return float(((losses * real).sum(axis=-1) / real.sum(axis=-1)).mean())


def adam_without_correction(
    parameter: Array,
    gradient: Array,
    first_moment: Array,
    second_moment: Array,
    step: int,
    rate: float,
    beta1: float = 0.9,
    beta2: float = 0.98,
    epsilon: float = 1e-9,
) -> None:
    references.adam_update(
        parameter, gradient, first_moment, second_moment, 10_000, rate, beta1, beta2, epsilon
    )  # so late that the correction is 1


def adam_counts_from_zero(
    parameter: Array,
    gradient: Array,
    first_moment: Array,
    second_moment: Array,
    step: int,
    rate: float,
    beta1: float = 0.9,
    beta2: float = 0.98,
    epsilon: float = 1e-9,
) -> None:
    references.adam_update(parameter, gradient, first_moment, second_moment, step - 1, rate, beta1, beta2, epsilon)


def adam_epsilon_inside(
    parameter: Array,
    gradient: Array,
    first_moment: Array,
    second_moment: Array,
    step: int,
    rate: float,
    beta1: float = 0.9,
    beta2: float = 0.98,
    epsilon: float = 1e-9,
) -> None:
    before = parameter.copy()
    references.adam_update(parameter, gradient, first_moment, second_moment, step, rate, beta1, beta2, epsilon)
    mean, square = first_moment / (1 - beta1**step), second_moment / (1 - beta2**step)
    parameter[...] = before - rate * mean / np.sqrt(square + epsilon)


def schedule_from_zero(step: int, d_model: int, warmup: int, scale: float = 1.0) -> float:
    return references.learning_rate(max(step - 1, 1), d_model, warmup, scale) if step > 1 else 0.0


def schedule_late(step: int, d_model: int, warmup: int, scale: float = 1.0) -> float:
    return references.learning_rate(step + 1, d_model, warmup, scale)


def schedule_of_the_larger(step: int, d_model: int, warmup: int, scale: float = 1.0) -> float:
    return scale * d_model**-0.5 * max(step**-0.5, step * warmup**-1.5)


def schedule_without_decay(step: int, d_model: int, warmup: int, scale: float = 1.0) -> float:
    return references.learning_rate(min(step, warmup), d_model, warmup, scale)


def plain_mean_of_gradients(gradients: list[Array], token_counts: list[int]) -> Array:
    return np.mean(gradients, axis=0)


def sum_of_gradients(gradients: list[Array], token_counts: list[int]) -> Array:
    return np.sum(gradients, axis=0)


def merges_of_types(counts: dict[bytes, int], number: int) -> list[tuple[bytes, bytes]]:
    return references.learn_merges(dict.fromkeys(counts, 2), number)


def merges_to_the_end(counts: dict[bytes, int], number: int) -> list[tuple[bytes, bytes]]:
    import bpe.reference

    return bpe.reference.learn_merges(counts, number, minimum_frequency=1)


def merged_from_the_left(pretoken: bytes, ranks: dict[tuple[bytes, bytes], int]) -> list[bytes]:
    word = [bytes([byte]) for byte in pretoken]
    position = 0
    while position + 1 < len(word):
        if (word[position], word[position + 1]) in ranks:
            word[position : position + 2] = [word[position] + word[position + 1]]
            position = max(0, position - 1)
        else:
            position += 1
    return word


def greedy_keeps_eos(next_log_probabilities: Any, eos_id: int, limit: int) -> list[int]:
    ids: list[int] = []
    while len(ids) < limit and (not ids or ids[-1] != eos_id):
        ids.append(int(np.argmax(next_log_probabilities(ids))))
    return ids


def beam_without_penalty(next_log_probabilities: Any, eos_id: int, limit: int, beam: int, alpha: float) -> list[int]:
    return references.beam_search(next_log_probabilities, eos_id, limit, beam, 0.0)


def beam_is_greedy(next_log_probabilities: Any, eos_id: int, limit: int, beam: int, alpha: float) -> list[int]:
    return references.greedy_search(next_log_probabilities, eos_id, limit)


def beam_takes_the_first(next_log_probabilities: Any, eos_id: int, limit: int, beam: int, alpha: float) -> list[int]:
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    for _ in range(limit):
        grown = [
            (total + float(log_probability), [*ids, token])
            for total, ids in live
            for token, log_probability in enumerate(next_log_probabilities(ids))
        ]
        live = sorted(grown, key=lambda hypothesis: -hypothesis[0])[:beam]
        for _, ids in live:
            if ids[-1] == eos_id:
                return ids[:-1]
    return live[0][1]


def beam_stops_early(next_log_probabilities: Any, eos_id: int, limit: int, beam: int, alpha: float) -> list[int]:
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    finished: list[tuple[float, list[int]]] = []
    for length in range(1, limit + 1):
        grown = [
            (total + float(log_probability), [*ids, token])
            for total, ids in live
            for token, log_probability in enumerate(next_log_probabilities(ids))
        ]
        best = sorted(grown, key=lambda hypothesis: -hypothesis[0])[:beam]
        finished += [(total / ((5 + length) / 6) ** alpha, ids[:-1]) for total, ids in best if ids[-1] == eos_id]
        live = [(total, ids) for total, ids in best if ids[-1] != eos_id]
        if len(finished) >= beam:
            break
    return max(finished, key=lambda hypothesis: hypothesis[0])[1] if finished else live[0][1]


def cache_forgets(query: Array, key: Array, value: Array, keys: Array, values: Array) -> tuple[Array, ...]:
    context, _ = references.attention_forward(query, key, value)
    return context, np.concatenate([keys, key], axis=-2), np.concatenate([values, value], axis=-2)


def cache_without_itself(query: Array, key: Array, value: Array, keys: Array, values: Array) -> tuple[Array, ...]:
    context = np.zeros_like(query) if not keys.shape[-2] else references.attention_forward(query, keys, values)[0]
    return context, np.concatenate([keys, key], axis=-2), np.concatenate([values, value], axis=-2)
