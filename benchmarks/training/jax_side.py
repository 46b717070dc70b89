"""JAX's side of training_step.py: the same model in jax.numpy, one jitted function for a whole training step.

The embedding is shared three ways. Dropout comes only after the sub-layers and the sums of embeddings and positions;
norms come after the residual sums; padding and the future are masked. The random bits come from XLA's own generator
("rbg"), which is faster on a CPU than JAX's default.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from numpy_transformer.layers.position_table import sinusoids
from numpy_transformer.models.config import TransformerConfig

Tree = Any
BETA1, BETA2, EPSILON = 0.9, 0.98, 1e-9


def initial_parameters(config: TransformerConfig) -> Tree:
    """Random weights as large as ours; zero biases."""
    rng = np.random.default_rng(0)
    D, F = config.d_model, config.d_ff

    def linear(inputs: int, outputs: int) -> Tree:
        limit = math.sqrt(6 / (inputs + outputs))
        weight = rng.uniform(-limit, limit, (inputs, outputs))
        return {"weight": jnp.asarray(weight, jnp.float32), "bias": jnp.zeros(outputs)}

    def norm() -> Tree:
        return {"gain": jnp.ones(D), "bias": jnp.zeros(D)}

    def layer(*, decoder: bool) -> Tree:
        tree = {"qkv": linear(D, 3 * D), "out": linear(D, D), "norm": norm()}
        if decoder:
            cross = {"query": linear(D, D), "key_value": linear(D, 2 * D), "out": linear(D, D), "norm": norm()}
            tree["cross"] = cross
        return tree | {"hidden": linear(D, F), "output": linear(F, D), "last_norm": norm()}

    return {
        "embedding": jnp.asarray(rng.normal(0, D**-0.5, (config.vocabulary_size, D)), jnp.float32),
        "encoder": [layer(decoder=False) for _ in range(config.encoder_layers)],
        "decoder": [layer(decoder=True) for _ in range(config.decoder_layers)],
    }


def linear(x: jax.Array, p: Tree) -> jax.Array:
    return x @ p["weight"] + p["bias"]


def layer_norm(x: jax.Array, p: Tree) -> jax.Array:
    centered = x - x.mean(-1, keepdims=True)
    return centered * jax.lax.rsqrt((centered**2).mean(-1, keepdims=True) + 1e-5) * p["gain"] + p["bias"]


def attention(query: jax.Array, key: jax.Array, value: jax.Array, mask: jax.Array, heads: int) -> jax.Array:
    """query (B, T, D), key and value (B, S, D) -> (B, T, D)."""
    query, key, value = (x.reshape(*x.shape[:2], heads, -1) for x in (query, key, value))
    scores = jnp.einsum("bthk,bshk->bhts", query, key) / math.sqrt(query.shape[-1])
    weights = jax.nn.softmax(jnp.where(mask, scores, -1e30))
    return jnp.einsum("bhts,bshk->bthk", weights, value).reshape(*query.shape[:2], -1)


def loss_of(
    parameters: Tree,
    key: jax.Array,
    source: jax.Array,
    target: jax.Array,
    *,
    config: TransformerConfig,
    label_smoothing: float,
) -> jax.Array:
    """source (B, S), target (B, 1 + T) -> the label-smoothed loss per real target token."""
    sites = iter(jax.random.split(key, 2 + 2 * config.encoder_layers + 3 * config.decoder_layers))

    def dropout(x: jax.Array) -> jax.Array:
        kept = jax.random.bernoulli(next(sites), 1 - config.dropout, x.shape)
        return jnp.where(kept, x / (1 - config.dropout), 0)

    def embed(ids: jax.Array) -> jax.Array:
        x = parameters["embedding"][ids] * math.sqrt(config.d_model)
        return dropout(x + jnp.asarray(sinusoids(ids.shape[1], config.d_model), x.dtype))

    def self_attention(x: jax.Array, p: Tree, mask: jax.Array) -> jax.Array:
        context = attention(*jnp.split(linear(x, p["qkv"]), 3, -1), mask, config.heads)
        return layer_norm(x + dropout(linear(context, p["out"])), p["norm"])

    def cross_attention(x: jax.Array, memory: jax.Array, p: Tree) -> jax.Array:
        key_value = jnp.split(linear(memory, p["key_value"]), 2, -1)
        context = attention(linear(x, p["query"]), *key_value, source_mask, config.heads)
        return layer_norm(x + dropout(linear(context, p["out"])), p["norm"])

    def feed_forward(x: jax.Array, p: Tree) -> jax.Array:
        update = linear(jax.nn.relu(linear(x, p["hidden"])), p["output"])
        return layer_norm(x + dropout(update), p["last_norm"])

    source_mask = (source != config.pad_id)[:, None, None, :]
    x = embed(source)
    for p in parameters["encoder"]:
        x = feed_forward(self_attention(x, p, source_mask), p)
    y, causal = embed(target[:, :-1]), jnp.tri(target.shape[1] - 1, dtype=bool)
    for p in parameters["decoder"]:
        y = feed_forward(cross_attention(self_attention(y, p, causal), x, p["cross"]), p)
    log_probabilities = jax.nn.log_softmax(y @ parameters["embedding"].T)
    gold = target[:, 1:]
    gold_terms = jnp.take_along_axis(log_probabilities, gold[..., None], -1)[..., 0]
    losses = -(1 - label_smoothing) * gold_terms - label_smoothing * log_probabilities.mean(-1)
    real = gold != config.pad_id
    return (losses * real).sum() / real.sum()


def jax_step(
    config: TransformerConfig, batches: Sequence[tuple[np.ndarray, np.ndarray]], *, rate: float, label_smoothing: float
) -> tuple[Callable[[int], float], int]:
    """A function that trains on batch number i and returns the loss, and the number of parameters."""
    jax.config.update("jax_default_prng_impl", "rbg")
    value_and_grad = jax.value_and_grad(partial(loss_of, config=config, label_smoothing=label_smoothing))

    @partial(jax.jit, donate_argnums=0)
    def update(state: Tree, source: jax.Array, target: jax.Array) -> tuple[Tree, jax.Array]:
        parameters, first, second, t = state
        loss, gradients = value_and_grad(parameters, jax.random.key(t), source, target)
        t += 1
        first = jax.tree.map(lambda m, g: BETA1 * m + (1 - BETA1) * g, first, gradients)
        second = jax.tree.map(lambda v, g: BETA2 * v + (1 - BETA2) * g * g, second, gradients)
        step_size, unbias = rate / (1 - BETA1**t), jax.lax.rsqrt(1 - BETA2**t)
        parameters = jax.tree.map(
            lambda p, m, v: p - step_size * m / (jnp.sqrt(v) * unbias + EPSILON), parameters, first, second
        )
        return (parameters, first, second, t), loss

    parameters = initial_parameters(config)
    zeros = partial(jax.tree.map, jnp.zeros_like, parameters)
    state = (parameters, zeros(), zeros(), jnp.zeros((), jnp.int32))
    count = sum(leaf.size for leaf in jax.tree.leaves(parameters))

    def step(number: int) -> float:
        nonlocal state
        state, loss = update(state, *batches[number])
        return float(loss)

    return step, count


def jax_product(size: int) -> Callable[[], object]:
    """A float32 product of two square matrices."""
    a, b = jax.random.uniform(jax.random.key(0), (2, size, size))
    multiply = jax.jit(jnp.matmul)
    return lambda: multiply(a, b).block_until_ready()
