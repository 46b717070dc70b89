"""The layers' forwards as searches use them: rows of positions, and nothing kept for a backward.

The formulas are those of layers/, but intermediate arrays are overwritten and no caches are kept. A step for one
sentence is a few hundred tiny operations, dominated by NumPy's overhead per call, so each call counts. On a card
these functions work, too, in more launches than a step needs (on_card.py).
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.dropout_masks import NO_DROPOUT
from numpy_transformer.layers.activation import ACTIVATIONS
from numpy_transformer.layers.arithmetic import matmul
from numpy_transformer.layers.feed_forward import FeedForwardParameters
from numpy_transformer.layers.layer_norm import EPSILON, LayerNormParameters, layer_norm_forward
from numpy_transformer.layers.linear import LinearParameters
from numpy_transformer.layers.softmax import MASKED_SCORE, SAFE_EXPONENT, softmax_forward
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.encoder_decoder import (
    TransformerParameters,
    encoder_forward,
    real_positions,
    source_forward,
)


def encode(source: Array, parameters: TransformerParameters, config: TransformerConfig) -> Array:
    """The encoder (encoder_decoder.py): source ids (B, S) or vectors (B, S, F), none all padding -> memory (B S, D).

    The weights of parameters.encoder may be packed.
    """
    if not isinstance(source, np.ndarray):
        memory, _ = encoder_forward(source, parameters, config, dropouts=NO_DROPOUT)
        return memory.reshape(-1, config.d_model)
    embedded, _ = source_forward(source, parameters, dropouts=NO_DROPOUT)
    (B, S, D), H = embedded.shape, config.heads
    x, padding = embedded.reshape(B * S, D), ~real_positions(source, config)
    mask_scores = None
    if padding.any():
        mask_scores = np.where(padding, x.dtype.type(MASKED_SCORE), x.dtype.type(0))[:, None, None, :]  # (B, 1, 1, S)
    for layer in parameters.encoder:
        p = layer.self_attention
        projected = linear(before(x, layer.self_attention_norm, norm=config.norm), p.query_key_value)  # (B S, 3D)
        _, key, value = projected.reshape(B, S, 3, H, D // H).transpose(2, 0, 3, 1, 4)  # (B, H, S, K) each
        context, _ = attention(projected[:, :D], key.swapaxes(-1, -2), value, mask_scores)
        x = after(x, linear(context, p.output), layer.self_attention_norm, norm=config.norm)

        inner = before(x, layer.feed_forward_norm, norm=config.norm)
        update = feed_forward(inner, layer.feed_forward, activation=config.activation)
        x = after(x, update, layer.feed_forward_norm, norm=config.norm)
    return x if parameters.encoder_norm is None else layer_norm(x, parameters.encoder_norm)


def before(x: Array, parameters: LayerNormParameters, *, norm: str, epsilon: float = EPSILON) -> Array:
    """What a sub-layer sees (residual.py): x (post-norm) or LayerNorm(x) (pre-norm)."""
    return layer_norm(x.copy(), parameters, epsilon=epsilon) if norm == "pre" else x


def after(x: Array, update: Array, parameters: LayerNormParameters, *, norm: str, epsilon: float = EPSILON) -> Array:
    """LayerNorm(x + update) (post-norm) or x + update (pre-norm). `update` is overwritten."""
    update += x
    return layer_norm(update, parameters, epsilon=epsilon) if norm == "post" else update


def linear(x: Array, parameters: LinearParameters) -> Array:
    """x W + b (linear.py): (R, I) -> (R, O). The weight may be packed (packed.py)."""
    y = _product(x)(x, parameters.weight)
    y += parameters.bias
    return y


def layer_norm(x: Array, parameters: LayerNormParameters, *, epsilon: float = EPSILON) -> Array:
    """Layer norm (layer_norm.py): (R, D) -> (R, D). x is overwritten."""
    if not isinstance(x, np.ndarray):
        return layer_norm_forward(x, parameters, epsilon=epsilon)[0]
    D = x.shape[1]
    mean = np.matmul(x, _ones(D, x.dtype))
    mean *= 1 / D
    x -= mean[:, None]
    variance = np.vecdot(x, x)
    variance *= 1 / D
    variance += epsilon
    deviation = np.sqrt(variance, out=variance)
    x /= deviation[:, None]
    x *= parameters.gain
    x += parameters.bias
    return x


def attention(query: Array, key: Array, value: Array, mask_scores: Array | None) -> tuple[Array, Array]:
    """Attention of all heads, joined (attention.py), and its weights (B, H, W, N).

    query (B W, D), key (B, H, K, N), value (B, H, N, K) -> (B W, D). `mask_scores` broadcasts to (B, H, W, N) and is
    added to the scores: 0 where a query may see a key, MASKED_SCORE where not.
    """
    xp = array_module(query)
    (R, D), (B, H, K, _) = query.shape, key.shape
    W = R // B
    query = query.reshape(B, W, H, K).swapaxes(1, 2)  # (B, H, W, K)
    context = xp.empty((R, D), dtype=query.dtype)
    by_head = context.reshape(B, W, H, K).swapaxes(1, 2)
    product = _product(query)
    scores = product(query, key)
    scores *= 1 / math.sqrt(K)
    # On a CPU most scores are small enough to need no shift before the exponential: a pass less.
    small = xp is np and scores.min() > -SAFE_EXPONENT and scores.max() < SAFE_EXPONENT
    if mask_scores is not None:
        scores += mask_scores
    weights = softmax(scores, shift=not small)
    product(weights, value, out=by_head)
    return context, weights


def softmax(scores: Array, *, shift: bool) -> Array:
    """Softmax (softmax.py): (B, H, W, N) -> (B, H, W, N). `scores` are overwritten; without `shift` they are small."""
    if not isinstance(scores, np.ndarray):
        return softmax_forward(scores, out=scores)[0]
    if shift:
        scores -= np.maximum.reduce(scores, axis=3, keepdims=True)
    weights = np.exp(scores, out=scores)
    N = weights.shape[3]
    weights /= np.matmul(weights.reshape(-1, N), _ones(N, weights.dtype)).reshape(*weights.shape[:3], 1)
    return weights


def feed_forward(x: Array, parameters: FeedForwardParameters, *, activation: str) -> Array:
    """f(x W_1 + b_1) W_2 + b_2 (feed_forward.py): (R, D) -> (R, D); `activation` is a key of ACTIVATIONS."""
    hidden = linear(x, parameters.hidden)
    if activation == "relu" and isinstance(hidden, np.ndarray):
        np.maximum(hidden, 0, out=hidden)
    else:
        hidden, _ = ACTIVATIONS[activation].forward(hidden)
    return linear(hidden, parameters.output)


def _product(x: Array) -> Callable[..., Array]:
    """The matrix product for x: for NumPy arrays it bypasses layers/arithmetic.py, as each call counts."""
    return np.matmul if isinstance(x, np.ndarray) else matmul


@lru_cache(maxsize=256)
def _ones(length: int, dtype: np.dtype) -> Array:
    """A vector of ones: for short rows, the product with it sums them faster than NumPy's sum."""
    ones = np.ones(length, dtype=dtype)
    ones.setflags(write=False)  # shared by all callers
    return ones
