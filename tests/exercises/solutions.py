"""Right solutions, written otherwise than the package: with loops, einsum, another order, other habits."""

import math
from collections import Counter

import numpy as np


def embedding_forward(ids, parameters):
    return np.array([[parameters.weight[word] for word in row] for row in ids]) * parameters.weight.shape[1] ** 0.5


def embedding_backward(dy, ids, gradients):
    one_hot = np.eye(len(gradients.weight))[ids]  # (B, T, V)
    gradients.weight[...] += np.einsum("btv,btd->vd", one_hot, dy * math.sqrt(dy.shape[-1]))


def sinusoids(length, d_model):
    encoding = np.zeros((length, d_model))
    for t in range(length):
        for feature in range(d_model):
            angle = t / 10000 ** ((feature - feature % 2) / d_model)
            encoding[t, feature] = math.cos(angle) if feature % 2 else math.sin(angle)
    return encoding


def linear_forward(x, parameters):
    return np.einsum("...i,io->...o", x, parameters.weight) + parameters.bias


def linear_backward(dy, x, parameters, gradients):
    gradients.weight[...] = np.tensordot(x, dy, axes=(range(x.ndim - 1),) * 2)
    gradients.bias[...] = dy.sum(axis=tuple(range(dy.ndim - 1)))
    return np.einsum("...o,io->...i", dy, parameters.weight)


def softmax_forward(x, mask=None):
    visible = np.broadcast_to(True if mask is None else mask, x.shape)
    shifted = x - np.where(visible, x, -np.inf).max(axis=-1, keepdims=True, initial=-1e300)
    e = np.where(visible, np.exp(np.where(visible, shifted, 0)), 0)
    total = e.sum(axis=-1, keepdims=True)
    return np.divide(e, total, out=np.zeros_like(x), where=total > 0)


def softmax_backward(dy, y):
    dx = np.zeros_like(dy)
    for place in np.ndindex(dy.shape[:-1]):
        dx[place] = y[place] * dy[place] - y[place] * np.dot(y[place], dy[place])
    return dx


def causal_mask(length):
    return ~np.triu(np.ones((length, length), dtype=bool), k=1)


def padding_mask(ids, pad_id):
    return np.logical_not(np.equal(ids, pad_id)).reshape(len(ids), 1, 1, -1)


def masked_attention_forward(query, key, value, mask=None):
    scores = np.einsum("bhtk,bhsk->bhts", query, key) / math.sqrt(query.shape[-1])
    weights = softmax_forward(scores, mask)
    return np.einsum("bhts,bhsk->bhtk", weights, value), weights


attention_forward = masked_attention_forward


def attention_backward(dcontext, query, key, value, weights):
    scale = query.shape[-1] ** -0.5
    dweights = np.einsum("bhtk,bhsk->bhts", dcontext, value)
    dscores = weights * (dweights - (weights * dweights).sum(axis=-1, keepdims=True)) * scale
    return (
        np.einsum("bhts,bhsk->bhtk", dscores, key),
        np.einsum("bhts,bhtk->bhsk", dscores, query),
        np.einsum("bhts,bhtk->bhsk", weights, dcontext),
    )


def split_heads(x, heads):
    return np.stack(np.split(x, heads, axis=-1), axis=1)


def join_heads(x):
    return np.concatenate(list(np.moveaxis(x, 1, 0)), axis=-1)


def self_attention_forward(x, parameters, heads, mask=None):
    parts = np.split(linear_forward(x, parameters.query_key_value), 3, axis=-1)
    query, key, value = (split_heads(part, heads) for part in parts)
    by_head, weights = masked_attention_forward(query, key, value, mask)
    context = join_heads(by_head)
    return linear_forward(context, parameters.output), query, key, value, weights, context


def self_attention_backward(dy, x, query, key, value, weights, context, parameters, gradients):
    dcontext = linear_backward(dy, context, parameters.output, gradients.output)
    parts = attention_backward(split_heads(dcontext, query.shape[1]), query, key, value, weights)
    dprojected = np.concatenate([join_heads(part) for part in parts], axis=-1)
    return linear_backward(dprojected, x, parameters.query_key_value, gradients.query_key_value)


def relu_forward(x):
    return np.where(x < 0, 0, x).astype(x.dtype)


def relu_backward(dy, x):
    dx = dy.copy()
    dx[x <= 0] = 0
    return dx


def feed_forward_forward(x, parameters):
    activated = np.maximum(linear_forward(x, parameters.hidden), 0)
    return linear_forward(activated, parameters.output), activated


def feed_forward_backward(dy, x, activated, parameters, gradients):
    dactivated = linear_backward(dy, activated, parameters.output, gradients.output)
    return linear_backward(np.where(activated > 0, dactivated, 0), x, parameters.hidden, gradients.hidden)


def layer_norm_forward(x, parameters, epsilon=1e-5):
    inverse_deviation = (np.var(x, axis=-1, keepdims=True) + epsilon) ** -0.5
    normalized = (x - np.mean(x, axis=-1, keepdims=True)) * inverse_deviation
    return parameters.bias + normalized * parameters.gain, normalized, inverse_deviation


def layer_norm_backward(dy, normalized, inverse_deviation, parameters, gradients):
    D = dy.shape[-1]
    gradients.gain[...] = np.einsum("nd,nd->d", dy.reshape(-1, D), normalized.reshape(-1, D))
    gradients.bias[...] = np.add.reduce(dy.reshape(-1, D))
    projection = np.eye(D) - 1 / D - normalized[..., :, None] * normalized[..., None, :] / D  # the Jacobian, up to 1/s
    dx = np.einsum("...k,...kd->...d", dy * parameters.gain, projection) * inverse_deviation
    return dx.astype(dy.dtype)


def dropout_forward(x, kept, p):
    return np.where(kept, x / (1 - p), 0).astype(x.dtype)


def dropout_backward(dy, kept, p):
    dx = np.zeros_like(dy)
    for place in zip(*np.nonzero(kept), strict=True):
        dx[place] = dy[place] / (1 - p)
    return dx


def residual_forward(x, sublayer, layer_norm, norm):
    return {"post": lambda: layer_norm(sublayer(x) + x), "pre": lambda: sublayer(layer_norm(x)) + x}[norm]()


def residual_backward(dy, sublayer_backward, layer_norm_backward, norm):
    dsum = layer_norm_backward(dy) if norm == "post" else dy
    dinner = sublayer_backward(dsum)
    if norm == "pre":
        dinner = layer_norm_backward(dinner)
    return np.add(dinner, dsum)


def encoder_layer_forward(x, attention, norm_1, feed_forward, norm_2):
    for sublayer, norm in ((attention, norm_1), (feed_forward, norm_2)):
        x = residual_forward(x, sublayer, norm, "post")
    return x


def encoder_layer_backward(dy, attention_backward, norm_1_backward, feed_forward_backward, norm_2_backward):
    dy = residual_backward(dy, feed_forward_backward, norm_2_backward, "post")
    return residual_backward(dy, attention_backward, norm_1_backward, "post")


def decoder_layer_forward(x, memory, self_attention, cross_attention, feed_forward, norms):
    sublayers = (self_attention, lambda x: cross_attention(x, memory), feed_forward)
    for sublayer, norm in zip(sublayers, norms, strict=True):
        x = norm(x + sublayer(x))
    return x


def decoder_layer_backward(
    dy, dmemory, self_attention_backward, cross_attention_backward, feed_forward_backward, norm_backwards
):
    def look(dsum):
        dx, part = cross_attention_backward(dsum)
        dmemory[...] = dmemory + part
        return dx

    layers = (self_attention_backward, look, feed_forward_backward)
    for sublayer, norm in reversed(list(zip(layers, norm_backwards, strict=True))):
        dsum = norm(dy)
        dy = sublayer(dsum) + dsum
    return dy


def cross_entropy_forward(logits, targets, label_smoothing, token_count):
    largest = logits.max(axis=1, keepdims=True)
    log_p = logits - largest - np.log(np.exp(logits - largest).sum(axis=1, keepdims=True))
    q = np.full(logits.shape, label_smoothing / logits.shape[1])
    for row, target in enumerate(targets):
        q[row, target] += 1 - label_smoothing
    return -(q * log_p).sum() / token_count, np.exp(log_p)


def cross_entropy_backward(probabilities, targets, label_smoothing, token_count):
    V = probabilities.shape[1]
    q = (1 - label_smoothing) * np.eye(V)[targets] + label_smoothing / V
    return ((probabilities - q) / token_count).astype(probabilities.dtype)


def loss_over_real_tokens(losses, targets, pad_id):
    return np.mean(losses[targets != pad_id])


def tied_embedding_gradient(dlogits, states, dsource, source_ids, gradients):
    V, D = gradients.weight.shape
    one_hot = np.eye(V)[source_ids.ravel()]
    gradients.weight[...] = dlogits.T @ states + D**0.5 * one_hot.T @ dsource.reshape(-1, D)


def adam_update(parameter, gradient, first_moment, second_moment, step, rate, beta1=0.9, beta2=0.98, epsilon=1e-9):
    first_moment[...] = beta1 * first_moment + (1 - beta1) * gradient
    second_moment[...] = beta2 * second_moment + (1 - beta2) * np.square(gradient)
    unbias = math.sqrt(1 - beta2**step)
    size = rate * unbias / (1 - beta1**step)
    parameter[...] = parameter - size * first_moment / (np.sqrt(second_moment) + epsilon * unbias)


def learning_rate(step, d_model, warmup, scale=1.0):
    if step < warmup:
        return scale * step / (math.sqrt(d_model) * warmup**1.5)
    return scale / math.sqrt(d_model * step)


def accumulate_gradients(gradients, token_counts):
    weights = np.array(token_counts) / sum(token_counts)
    return np.tensordot(weights, np.stack(gradients), axes=1).astype(gradients[0].dtype)


def learn_merges(counts, number):
    words, merges = {word: [word[i : i + 1] for i in range(len(word))] for word in counts}, []
    for _ in range(number):
        totals = Counter()
        for word, parts in words.items():
            for i in range(len(parts) - 1):
                totals[parts[i], parts[i + 1]] += counts[word]
        ranked = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
        if not ranked or ranked[0][1] < 2:
            break
        merges.append(ranked[0][0])
        words = {word: apply_merges(word, {pair: rank for rank, pair in enumerate(merges)}) for word in words}
    return merges


def apply_merges(pretoken, ranks):
    parts = [pretoken[i : i + 1] for i in range(len(pretoken))]
    for pair in sorted(ranks, key=ranks.get):
        i = 0
        while i < len(parts) - 1:
            if (parts[i], parts[i + 1]) == pair:
                parts[i : i + 2] = [parts[i] + parts[i + 1]]
            i += 1
    return parts


def greedy_search(next_log_probabilities, eos_id, limit):
    def grow(ids):
        token = int(next_log_probabilities(ids).argmax())
        return ids if token == eos_id or len(ids) == limit else grow([*ids, token])

    return grow([])


def beam_search(next_log_probabilities, eos_id, limit, beam, alpha):
    live, finished = [([], 0.0)], []
    for length in range(1, limit + 1):
        scores = np.array([total + next_log_probabilities(ids) for ids, total in live])
        order = np.argsort(-scores, axis=None, kind="stable")[:beam]
        grown = [
            (live[i][0], int(token), scores[i, token])
            for i, token in zip(*np.unravel_index(order, scores.shape), strict=True)
        ]
        finished += [(total / ((5 + length) / 6) ** alpha, ids) for ids, token, total in grown if token == eos_id]
        live = [([*ids, token], total) for ids, token, total in grown if token != eos_id]
        if not live:
            break
    return max(finished)[1] if finished else live[0][0]


def cached_attention_step(query, key, value, keys, values):
    keys, values = np.append(keys, key, axis=2), np.append(values, value, axis=2)
    context, _ = masked_attention_forward(query, keys, values)
    return context, keys, values
