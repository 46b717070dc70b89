"""The calls that try a solution: random arrays whose sizes all differ, so that no axis can be taken for another.

Gains, biases and incoming gradients are random too: with ones and zeros in their place, many mistakes cannot be seen.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from numpy_transformer.exercises import references
from numpy_transformer.exercises.exercise import DrawnCall
from numpy_transformer.layers.embedding import EmbeddingParameters
from numpy_transformer.layers.feed_forward import FeedForwardParameters
from numpy_transformer.layers.layer_norm import LayerNormParameters
from numpy_transformer.layers.linear import LinearParameters
from numpy_transformer.layers.multi_head_attention import SelfAttentionParameters

Random = np.random.Generator
Array = np.ndarray

PAD = 0


def normal(rng: Random, *shape: int) -> Array:
    return rng.standard_normal(shape)


def linear(rng: Random, inputs: int, outputs: int) -> LinearParameters:
    return LinearParameters(normal(rng, inputs, outputs), normal(rng, outputs))


def buffers(parameters: Any, rng: Random) -> Any:
    """Gradients of the same shapes, full of what an earlier step left there."""
    if hasattr(parameters, "_fields"):
        return type(parameters)(*(buffers(part, rng) for part in parameters))
    return 10 + rng.random(parameters.shape)


def backward_call(rng: Random, parameters: Any, **given: Any) -> DrawnCall:
    """A call with parameters and with gradients to be written."""
    arguments = {**given, "parameters": parameters, "gradients": buffers(parameters, rng)}
    return DrawnCall(arguments, written=("gradients",))


def masks(rng: Random, B: int, T: int, S: int) -> list[Array | None]:
    """No mask, a causal one, padding, and both; the last sentence of the padding is nothing but padding."""
    causal = np.tril(np.ones((T, S), dtype=bool))
    padding = (np.arange(S) < np.array([S - 2, *[0] * (B - 1)])[:, None])[:, None, None, :]
    return [None, causal, padding, causal & padding]


# --- Words and positions ---


def ids_and_table(rng: Random) -> tuple[Array, EmbeddingParameters]:
    """Ids that repeat, and some that never occur."""
    return rng.integers(1, 5, (2, 5)), EmbeddingParameters(normal(rng, 7, 6))


def embedding_forward(rng: Random) -> list[DrawnCall]:
    ids, parameters = ids_and_table(rng)
    return [DrawnCall({"ids": ids, "parameters": parameters})]


def embedding_backward(rng: Random) -> list[DrawnCall]:
    ids, parameters = ids_and_table(rng)
    arguments = {"dy": normal(rng, 2, 5, 6), "ids": ids, "gradients": buffers(parameters, rng)}
    return [DrawnCall(arguments, written=("gradients",))]


def sinusoids(rng: Random) -> list[DrawnCall]:
    return [DrawnCall({"length": 9, "d_model": 6}), DrawnCall({"length": 1, "d_model": 2})]


def tied_embedding_gradient(rng: Random) -> list[DrawnCall]:
    ids, parameters = ids_and_table(rng)
    arguments = {
        "dlogits": normal(rng, 3, 7),
        "states": normal(rng, 3, 6),
        "dsource": normal(rng, 2, 5, 6),
        "source_ids": ids,
        "gradients": buffers(parameters, rng),
    }
    return [DrawnCall(arguments, written=("gradients",))]


# --- Linear maps ---


def linear_forward(rng: Random) -> list[DrawnCall]:
    return [DrawnCall({"x": normal(rng, *shape, 4), "parameters": linear(rng, 4, 5)}) for shape in ((3,), (2, 3))]


def linear_backward(rng: Random) -> list[DrawnCall]:
    calls = []
    for shape in ((3,), (2, 3)):
        parameters = linear(rng, 4, 5)
        calls.append(backward_call(rng, parameters, dy=normal(rng, *shape, 5), x=normal(rng, *shape, 4)))
    return calls


# --- Attention ---


def softmax_forward(rng: Random) -> list[DrawnCall]:
    """With and without a mask, and with numbers whose exponentials overflow."""
    x = normal(rng, 2, 4, 5)
    mask = np.arange(5) < np.array([5, 3, 1, 0])[:, None]
    hidden = np.where(mask, x, 1000)
    return [
        DrawnCall({"x": x, "mask": None}),
        DrawnCall({"x": 1000 * x, "mask": None}),
        DrawnCall({"x": x, "mask": mask}),
        DrawnCall({"x": hidden, "mask": mask}),
    ]


def softmax_backward(rng: Random) -> list[DrawnCall]:
    return [DrawnCall({"dy": normal(rng, 2, 4, 5), "y": references.softmax_forward(normal(rng, 2, 4, 5))})]


def causal_mask(rng: Random) -> list[DrawnCall]:
    return [DrawnCall({"length": length}) for length in (4, 1)]


def padding_mask(rng: Random) -> list[DrawnCall]:
    return [
        DrawnCall({"ids": np.array([[5, 3, 2, PAD], [4, 2, PAD, PAD], [6, 7, 8, 2]]), "pad_id": pad_id})
        for pad_id in (PAD, 2)
    ]


def queries_keys_values(rng: Random, T: int = 4, S: int = 5, K: int = 3) -> dict[str, Array]:
    B, H = 2, 2
    return {"query": normal(rng, B, H, T, K), "key": normal(rng, B, H, S, K), "value": normal(rng, B, H, S, K)}


def attention_forward(rng: Random) -> list[DrawnCall]:
    return [DrawnCall({**queries_keys_values(rng), "mask": None})]


def masked_attention_forward(rng: Random) -> list[DrawnCall]:
    return [DrawnCall({**queries_keys_values(rng), "mask": mask}) for mask in masks(rng, 2, 4, 5)]


def attention_backward(rng: Random) -> list[DrawnCall]:
    calls = []
    for mask in masks(rng, 2, 4, 5):
        inputs = queries_keys_values(rng)
        context, weights = references.attention_forward(**inputs, mask=mask)
        calls.append(DrawnCall({"dcontext": normal(rng, *context.shape), **inputs, "weights": weights}))
    return calls


def split_heads(rng: Random) -> list[DrawnCall]:
    return [DrawnCall({"x": normal(rng, 2, 3, 20), "heads": 4})]


def join_heads(rng: Random) -> list[DrawnCall]:
    return [DrawnCall({"x": normal(rng, 2, 4, 3, 5)})]


def self_attention(rng: Random) -> dict[str, Any]:
    D = 6
    return {"x": normal(rng, 2, 4, D), "parameters": SelfAttentionParameters(linear(rng, D, 3 * D), linear(rng, D, D))}


def self_attention_forward(rng: Random) -> list[DrawnCall]:
    return [DrawnCall({**self_attention(rng), "heads": 2, "mask": mask}) for mask in masks(rng, 2, 4, 4)]


def self_attention_backward(rng: Random) -> list[DrawnCall]:
    calls = []
    for mask in masks(rng, 2, 4, 4)[::3]:
        inputs = self_attention(rng)
        y, *inside = references.self_attention_forward(**inputs, heads=2, mask=mask)
        arrays = dict(zip(("query", "key", "value", "weights", "context"), inside, strict=True))
        calls.append(backward_call(rng, inputs["parameters"], dy=normal(rng, *y.shape), x=inputs["x"], **arrays))
    return calls


def cached_attention_step(rng: Random) -> list[DrawnCall]:
    calls = []
    for known in (3, 0):
        one = queries_keys_values(rng, T=1, S=1)
        calls.append(DrawnCall({**one, "keys": normal(rng, 2, 2, known, 3), "values": normal(rng, 2, 2, known, 3)}))
    return calls


# --- Feed-forward, norm, residual, dropout ---


def relu_forward(rng: Random) -> list[DrawnCall]:
    return [DrawnCall({"x": normal(rng, *shape)}) for shape in ((2, 3, 4), (5,))]


def relu_backward(rng: Random) -> list[DrawnCall]:
    x = normal(rng, 2, 3, 4)
    x[0, 0, 0] = 0
    return [DrawnCall({"dy": normal(rng, *one.shape), "x": one}) for one in (x, normal(rng, 5))]


def feed_forward(rng: Random, *positions: int) -> dict[str, Any]:
    return {"x": normal(rng, *positions, 4), "parameters": FeedForwardParameters(linear(rng, 4, 6), linear(rng, 6, 4))}


def feed_forward_forward(rng: Random) -> list[DrawnCall]:
    return [DrawnCall(feed_forward(rng, *positions)) for positions in ((2, 3), (5,))]


def feed_forward_backward(rng: Random) -> list[DrawnCall]:
    calls = []
    for positions in ((2, 3), (5,)):
        inputs = feed_forward(rng, *positions)
        y, activated = references.feed_forward_forward(**inputs)
        given = {"dy": normal(rng, *y.shape), "x": inputs["x"], "activated": activated}
        calls.append(backward_call(rng, inputs["parameters"], **given))
    return calls


def layer_norm(rng: Random, *positions: int) -> dict[str, Any]:
    parameters = LayerNormParameters(normal(rng, 5), normal(rng, 5))
    return {"x": 3 * normal(rng, *positions, 5) + 1, "parameters": parameters, "epsilon": 1e-2}


def layer_norm_forward(rng: Random) -> list[DrawnCall]:
    return [DrawnCall(layer_norm(rng, *positions)) for positions in ((2, 3), (4,))]


def layer_norm_backward(rng: Random) -> list[DrawnCall]:
    calls = []
    for positions in ((2, 3), (4,)):
        inputs = layer_norm(rng, *positions)
        y, normalized, inverse_deviation = references.layer_norm_forward(**inputs)
        given = {"dy": normal(rng, *y.shape), "normalized": normalized, "inverse_deviation": inverse_deviation}
        calls.append(backward_call(rng, inputs["parameters"], **given))
    return calls


def dropout(name: str) -> Callable[[Random], list[DrawnCall]]:
    def calls(rng: Random) -> list[DrawnCall]:
        return [DrawnCall({name: normal(rng, 3, 4), "kept": rng.random((3, 4)) > p, "p": p}) for p in (0.3, 0.5)]

    return calls


def map_of(rng: Random, D: int) -> Callable[[Array], Array]:
    """A layer that is a known linear map, so that every path can be told from every other."""
    matrix = normal(rng, D, D)
    return lambda x: x @ matrix


def residual_forward(rng: Random) -> list[DrawnCall]:
    return [
        DrawnCall({"x": normal(rng, 2, 3), "sublayer": map_of(rng, 3), "layer_norm": map_of(rng, 3), "norm": norm})
        for norm in ("post", "pre")
    ]


def residual_backward(rng: Random) -> list[DrawnCall]:
    return [
        DrawnCall(
            {
                "dy": normal(rng, 2, 3),
                "sublayer_backward": map_of(rng, 3),
                "layer_norm_backward": map_of(rng, 3),
                "norm": norm,
            }
        )
        for norm in ("post", "pre")
    ]


# --- Encoder and decoder layer ---


def encoder_layer_forward(rng: Random) -> list[DrawnCall]:
    layers = {name: map_of(rng, 3) for name in ("attention", "norm_1", "feed_forward", "norm_2")}
    return [DrawnCall({"x": normal(rng, 2, 3), **layers})]


def encoder_layer_backward(rng: Random) -> list[DrawnCall]:
    names = ("attention_backward", "norm_1_backward", "feed_forward_backward", "norm_2_backward")
    return [DrawnCall({"dy": normal(rng, 2, 3), **{name: map_of(rng, 3) for name in names}})]


def decoder_layer_forward(rng: Random) -> list[DrawnCall]:
    from_x, from_memory = map_of(rng, 3), map_of(rng, 3)
    arguments = {
        "x": normal(rng, 2, 3),
        "memory": normal(rng, 2, 3),
        "self_attention": map_of(rng, 3),
        "cross_attention": lambda x, memory: from_x(x) + from_memory(memory),
        "feed_forward": map_of(rng, 3),
        "norms": [map_of(rng, 3) for _ in range(3)],
    }
    return [DrawnCall(arguments)]


def decoder_layer_backward(rng: Random) -> list[DrawnCall]:
    to_x, to_memory = map_of(rng, 3), map_of(rng, 3)
    arguments = {
        "dy": normal(rng, 2, 3),
        "dmemory": normal(rng, 2, 3),
        "self_attention_backward": map_of(rng, 3),
        "cross_attention_backward": lambda dy: (to_x(dy), to_memory(dy)),
        "feed_forward_backward": map_of(rng, 3),
        "norm_backwards": [map_of(rng, 3) for _ in range(3)],
    }
    return [DrawnCall(arguments, written=("dmemory",))]


# --- The loss ---


def logits_and_targets(rng: Random) -> dict[str, Array]:
    return {"logits": 3 * normal(rng, 4, 6), "targets": np.array([5, 0, 3, 3])}


def cross_entropy_forward(rng: Random) -> list[DrawnCall]:
    """Fewer rows than tokens: the others are another worker's. The last logits overflow without a shift."""
    usual = [
        DrawnCall({**logits_and_targets(rng), "label_smoothing": smoothing, "token_count": 7})
        for smoothing in (0.0, 0.1)
    ]
    large = logits_and_targets(rng)
    large["logits"] *= 1000
    return [*usual, DrawnCall({**large, "label_smoothing": 0.1, "token_count": 4})]


def cross_entropy_backward(rng: Random) -> list[DrawnCall]:
    calls = []
    for smoothing in (0.0, 0.1):
        inputs = logits_and_targets(rng)
        _, p = references.cross_entropy_forward(**inputs, label_smoothing=smoothing, token_count=7)
        arguments = {"probabilities": p, "targets": inputs["targets"], "label_smoothing": smoothing, "token_count": 7}
        calls.append(DrawnCall(arguments))
    return calls


def loss_over_real_tokens(rng: Random) -> list[DrawnCall]:
    targets = np.array([[4, 5, 2, PAD, PAD], [6, 7, 8, 9, 2]])
    return [DrawnCall({"losses": rng.random((2, 5)), "targets": targets, "pad_id": PAD})]


# --- Training ---


def adam_update(rng: Random) -> list[DrawnCall]:
    return [
        DrawnCall(
            {
                "parameter": normal(rng, 6),
                "gradient": normal(rng, 6),
                "first_moment": normal(rng, 6) if step > 1 else np.zeros(6),
                "second_moment": rng.random(6) if step > 1 else np.zeros(6),
                "step": step,
                "rate": 0.01,
                "beta1": 0.9,
                "beta2": 0.98,
                "epsilon": 0.1,
            },
            written=("parameter", "first_moment", "second_moment"),
        )
        for step in (1, 5)
    ]


def learning_rate(rng: Random) -> list[DrawnCall]:
    return [DrawnCall({"step": step, "d_model": 64, "warmup": 10, "scale": 2.0}) for step in (1, 5, 10, 11, 40)]


def accumulate_gradients(rng: Random) -> list[DrawnCall]:
    return [DrawnCall({"gradients": [normal(rng, 2, 3) for _ in range(3)], "token_counts": [5, 11, 2]})]


# --- Tokens and search ---

COUNTS = {b"low": 5, b"lower": 2, b"newest": 6, b"widest": 3, b"aaaa": 2}


def learn_merges(rng: Random) -> list[DrawnCall]:
    """The example of Sennrich et al. 2016, with a word of equal letters; then more merges than there are."""
    return [DrawnCall({"counts": COUNTS, "number": 10}), DrawnCall({"counts": {b"ab": 3, b"cd": 1}, "number": 5})]


def apply_merges(rng: Random) -> list[DrawnCall]:
    ranks = {pair: rank for rank, pair in enumerate(references.learn_merges(COUNTS, 12))}
    crossed = {(b"a", b"b"): 1, (b"b", b"c"): 0, (b"a", b"bc"): 2}  # the pair on the right was learned first
    learned = [DrawnCall({"pretoken": word, "ranks": ranks}) for word in (b"lowest", b"aaaaa", b"xyz", b"")]
    return [*learned, *(DrawnCall({"pretoken": word, "ranks": crossed}) for word in (b"abc", b"abab"))]


def language(rng: Random, tokens: int = 5) -> references.NextLogProbabilities:
    """Log-probabilities that depend on the last token and on the length; token 0 ends a sentence."""
    table = rng.dirichlet(np.full(tokens, 0.4), (tokens + 1, 4))
    table = (table + 1e-3) / (table + 1e-3).sum(axis=-1, keepdims=True)
    return lambda ids: np.log(table[ids[-1] if ids else tokens, min(len(ids), 3)])


def greedy_search(rng: Random) -> list[DrawnCall]:
    return [DrawnCall({"next_log_probabilities": language(rng), "eos_id": 0, "limit": limit}) for limit in (6, 6, 6, 1)]


def beam_search(rng: Random) -> list[DrawnCall]:
    settings = [(1, 0.6, 6), (2, 0.0, 6), (3, 0.6, 6), (4, 1.0, 6), (4, 0.3, 6), *[(4, 2.0, 6)] * 6]
    calls = [
        DrawnCall({"next_log_probabilities": language(rng), "eos_id": 0, "limit": limit, "beam": beam, "alpha": alpha})
        for beam, alpha, limit in settings
    ]
    # A language that never ends a sentence, and one whose best sentence is finished last.
    endless = np.log(np.array([1e-9, 0.6, 0.3, 0.1, 1e-9]))
    late = np.log(np.array([[0.3, 0.65, 0.05], [0.3, 0.65, 0.05], [0.3, 0.65, 0.05], [0.99, 0.005, 0.005]]))
    for table, alpha in ((lambda ids: endless, 0.6), (lambda ids: late[min(len(ids), 3)], 3.0)):
        calls.append(DrawnCall({"next_log_probabilities": table, "eos_id": 0, "limit": 4, "beam": 2, "alpha": alpha}))
    return calls
