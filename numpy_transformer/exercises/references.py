"""The functions of the exercises in the form that a learner writes them: plain arrays in, plain arrays out, no cache.

Where the package has the function, this calls it. The rest is inside a larger function there, or made for whole batches
or for speed, and stands here as the textbook has it.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

import bpe.reference
from numpy_transformer.layers import activation, attention, cross_entropy, dropout, layer_norm, multi_head_attention
from numpy_transformer.layers import embedding as embeddings
from numpy_transformer.layers import feed_forward as networks
from numpy_transformer.layers import softmax as softmaxes
from numpy_transformer.layers.embedding import EmbeddingParameters
from numpy_transformer.layers.feed_forward import FeedForwardParameters
from numpy_transformer.layers.layer_norm import LayerNormParameters
from numpy_transformer.layers.multi_head_attention import SelfAttentionParameters

Array = np.ndarray
Layer = Callable[[Array], Array]  # x -> y, or on the way back dy -> dx
NextLogProbabilities = Callable[[list[int]], Array]  # the ids so far -> log p of each next token (V,)


# --- Words and positions ---


def embedding_forward(ids: Array, parameters: EmbeddingParameters) -> Array:
    return embeddings.embedding_forward(ids, parameters)


def embedding_backward(dy: Array, ids: Array, gradients: EmbeddingParameters) -> None:
    embeddings.embedding_backward(dy, ids, gradients)


def tied_embedding_gradient(
    dlogits: Array, states: Array, dsource: Array, source_ids: Array, gradients: EmbeddingParameters
) -> None:
    np.matmul(dlogits.T, states, out=gradients.weight)
    np.add.at(gradients.weight, source_ids, math.sqrt(states.shape[-1]) * dsource)


# --- Attention ---


def softmax_forward(x: Array, mask: Array | None = None) -> Array:
    return softmaxes.softmax_forward(x, mask=mask)[0]


def softmax_backward(dy: Array, y: Array) -> Array:
    return softmaxes.softmax_backward(dy, y)


def causal_mask(length: int) -> Array:
    return attention.causal_mask(length, np.empty(0))


def padding_mask(ids: Array, pad_id: int) -> Array:
    return (ids != pad_id)[:, None, None, :]


def attention_forward(query: Array, key: Array, value: Array, mask: Array | None = None) -> tuple[Array, Array]:
    context, cache = attention.scaled_dot_product_attention_forward(query=query, key=key, value=value, mask=mask)
    return context, cache.weights


def attention_backward(
    dcontext: Array, query: Array, key: Array, value: Array, weights: Array
) -> tuple[Array, Array, Array]:
    cache = attention.AttentionCache(query, key, value, weights, weights, None)
    dquery, dkey, dvalue = (np.full_like(x, np.nan) for x in (query, key, value))
    attention.scaled_dot_product_attention_backward(dcontext, cache, dquery=dquery, dkey=dkey, dvalue=dvalue)
    return dquery, dkey, dvalue


def split_heads(x: Array, heads: int) -> Array:
    B, T, D = x.shape
    return x.reshape(B, T, heads, D // heads).swapaxes(1, 2)


def join_heads(x: Array) -> Array:
    B, H, T, K = x.shape
    return x.swapaxes(1, 2).reshape(B, T, H * K)


def self_attention_forward(
    x: Array, parameters: SelfAttentionParameters, heads: int, mask: Array | None = None
) -> tuple[Array, Array, Array, Array, Array, Array]:
    y, cache = multi_head_attention.self_attention_forward(x, parameters, heads=heads, mask=mask)
    inside = cache.attention
    assert isinstance(inside, attention.AttentionCache)
    return y, inside.query, inside.key, inside.value, inside.weights, cache.context


def self_attention_backward(
    dy: Array,
    x: Array,
    query: Array,
    key: Array,
    value: Array,
    weights: Array,
    context: Array,
    parameters: SelfAttentionParameters,
    gradients: SelfAttentionParameters,
) -> Array:
    inside = attention.AttentionCache(query, key, value, weights, weights, None)
    cache = multi_head_attention.SelfAttentionCache(x, inside, context)
    return multi_head_attention.self_attention_backward(dy, cache, parameters, gradients)


def cached_attention_step(query: Array, key: Array, value: Array, keys: Array, values: Array) -> tuple[Array, ...]:
    keys, values = np.concatenate([keys, key], axis=-2), np.concatenate([values, value], axis=-2)
    context, _ = attention_forward(query, keys, values)
    return context, keys, values


# --- Feed-forward, norm, residual, dropout ---


def relu_forward(x: Array) -> Array:
    return activation.relu_forward(x)[0]


def relu_backward(dy: Array, x: Array) -> Array:
    return activation.relu_backward(dy, x > 0)


def feed_forward_forward(x: Array, parameters: FeedForwardParameters) -> tuple[Array, Array]:
    y, cache = networks.feed_forward_forward(x, parameters)
    return y, cache.activated


def feed_forward_backward(
    dy: Array, x: Array, activated: Array, parameters: FeedForwardParameters, gradients: FeedForwardParameters
) -> Array:
    cache = networks.FeedForwardCache(x, activation.RELU, activated > 0, activated)
    return networks.feed_forward_backward(dy, cache, parameters, gradients)


def layer_norm_forward(x: Array, parameters: LayerNormParameters, epsilon: float = 1e-5) -> tuple[Array, Array, Array]:
    y, cache = layer_norm.layer_norm_forward(x, parameters, epsilon=epsilon)
    return y, cache.normalized, cache.inverse_deviation


def layer_norm_backward(
    dy: Array,
    normalized: Array,
    inverse_deviation: Array,
    parameters: LayerNormParameters,
    gradients: LayerNormParameters,
) -> Array:
    cache = layer_norm.LayerNormCache(normalized, inverse_deviation)
    return layer_norm.layer_norm_backward(dy, cache, parameters, gradients)


def dropout_forward(x: Array, kept: Array, p: float) -> Array:
    return dropout.dropout_backward(x, dropout.DropoutCache(kept, 1 / (1 - p)))  # the map is its own transpose


def dropout_backward(dy: Array, kept: Array, p: float) -> Array:
    return dropout.dropout_backward(dy, dropout.DropoutCache(kept, 1 / (1 - p)))


def residual_forward(x: Array, sublayer: Layer, layer_norm: Layer, norm: str) -> Array:
    if norm == "post":
        return layer_norm(x + sublayer(x))
    return x + sublayer(layer_norm(x))


def residual_backward(dy: Array, sublayer_backward: Layer, layer_norm_backward: Layer, norm: str) -> Array:
    if norm == "post":
        dsum = layer_norm_backward(dy)
        return dsum + sublayer_backward(dsum)
    return dy + layer_norm_backward(sublayer_backward(dy))


# --- Encoder and decoder layer ---


def encoder_layer_forward(x: Array, attention: Layer, norm_1: Layer, feed_forward: Layer, norm_2: Layer) -> Array:
    middle = norm_1(x + attention(x))
    return norm_2(middle + feed_forward(middle))


def encoder_layer_backward(
    dy: Array,
    attention_backward: Layer,
    norm_1_backward: Layer,
    feed_forward_backward: Layer,
    norm_2_backward: Layer,
) -> Array:
    dsum_2 = norm_2_backward(dy)
    dmiddle = dsum_2 + feed_forward_backward(dsum_2)
    dsum_1 = norm_1_backward(dmiddle)
    return dsum_1 + attention_backward(dsum_1)


def decoder_layer_forward(
    x: Array,
    memory: Array,
    self_attention: Layer,
    cross_attention: Callable[[Array, Array], Array],
    feed_forward: Layer,
    norms: Sequence[Layer],
) -> Array:
    first = norms[0](x + self_attention(x))
    second = norms[1](first + cross_attention(first, memory))
    return norms[2](second + feed_forward(second))


def decoder_layer_backward(
    dy: Array,
    dmemory: Array,
    self_attention_backward: Layer,
    cross_attention_backward: Callable[[Array], tuple[Array, Array]],
    feed_forward_backward: Layer,
    norm_backwards: Sequence[Layer],
) -> Array:
    dsum_3 = norm_backwards[2](dy)
    dsecond = dsum_3 + feed_forward_backward(dsum_3)
    dsum_2 = norm_backwards[1](dsecond)
    dcross, dmemory_part = cross_attention_backward(dsum_2)
    dmemory += dmemory_part
    dfirst = dsum_2 + dcross
    dsum_1 = norm_backwards[0](dfirst)
    return dsum_1 + self_attention_backward(dsum_1)


# --- The loss ---


def cross_entropy_forward(
    logits: Array, targets: Array, label_smoothing: float, token_count: int
) -> tuple[float, Array]:
    loss, cache = cross_entropy.cross_entropy_forward(
        logits, targets, label_smoothing=label_smoothing, token_count=token_count
    )
    return float(loss), cache.probabilities


def cross_entropy_backward(probabilities: Array, targets: Array, label_smoothing: float, token_count: int) -> Array:
    cache = cross_entropy.CrossEntropyCache(probabilities, targets, label_smoothing, token_count)
    return cross_entropy.cross_entropy_backward(1.0, cache)


def loss_over_real_tokens(losses: Array, targets: Array, pad_id: int) -> float:
    real = targets != pad_id
    return float((losses * real).sum() / real.sum())


# --- Training ---


def adam_update(
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
    first_moment *= beta1
    first_moment += (1 - beta1) * gradient
    second_moment *= beta2
    second_moment += (1 - beta2) * gradient**2
    mean = first_moment / (1 - beta1**step)
    square = second_moment / (1 - beta2**step)
    parameter -= rate * mean / (np.sqrt(square) + epsilon)


def learning_rate(step: int, d_model: int, warmup: int, scale: float = 1.0) -> float:
    return scale * d_model**-0.5 * min(step**-0.5, step * warmup**-1.5)


def accumulate_gradients(gradients: list[Array], token_counts: list[int]) -> Array:
    total = np.zeros_like(gradients[0])
    for gradient, tokens in zip(gradients, token_counts, strict=True):
        total += gradient * tokens
    return total / sum(token_counts)


# --- Tokens and search ---


def learn_merges(counts: dict[bytes, int], number: int) -> list[tuple[bytes, bytes]]:
    return bpe.reference.learn_merges(counts, number)


def apply_merges(pretoken: bytes, ranks: dict[tuple[bytes, bytes], int]) -> list[bytes]:
    return bpe.reference.apply_merges(pretoken, ranks)


def greedy_search(next_log_probabilities: NextLogProbabilities, eos_id: int, limit: int) -> list[int]:
    ids: list[int] = []
    for _ in range(limit):  # no mistake in it makes a loop without an end
        token = int(np.argmax(next_log_probabilities(ids)))
        if token == eos_id:
            break
        ids.append(token)
    return ids


def beam_search(
    next_log_probabilities: NextLogProbabilities, eos_id: int, limit: int, beam: int, alpha: float
) -> list[int]:
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    finished: list[tuple[float, list[int]]] = []
    for length in range(1, limit + 1):
        grown = [
            (total + float(log_probability), [*ids, token])
            for total, ids in live
            for token, log_probability in enumerate(next_log_probabilities(ids))
        ]
        best = sorted(grown, key=lambda hypothesis: -hypothesis[0])[:beam]
        penalty = ((5 + length) / 6) ** alpha
        finished += [(total / penalty, ids[:-1]) for total, ids in best if ids[-1] == eos_id]
        live = [(total, ids) for total, ids in best if ids[-1] != eos_id]
    return max(finished, key=lambda hypothesis: hypothesis[0])[1] if finished else live[0][1]
