"""The reward: a Transformer learns the phrasebook with the learner's layers in place of ours.

Two models with the same beginning and the same batches are trained side by side, one with the package's layers, one
with the learner's. If both compute the same, their losses are the same in every bit; a mistake shows in the curve.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import bpe
from numpy_transformer.data import phrasebook
from numpy_transformer.data.batching import Batch, EncodedText, training_batches
from numpy_transformer.errors import InputError
from numpy_transformer.exercises.catalogue import EXERCISES
from numpy_transformer.exercises.exercise import Function
from numpy_transformer.gradcheck.mutants import Mutant, installed, mutants_of, replaced
from numpy_transformer.layers import (
    activation,
    attention,
    cross_entropy,
    dropout,
    embedding,
    feed_forward,
    layer_norm,
    linear,
    multi_head_attention,
    position_table,
    softmax,
)
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.storage.atomic import atomic_write
from numpy_transformer.training import schedule
from numpy_transformer.training.optimizer import Adam

Array = np.ndarray
BATCH_TOKENS, VOCABULARY, PAIRS, WARMUP = 1024, 1000, 20_000, 100

# --- Where a learner's function goes: the package's function, and the learner's in its form ---


def _encodings(own: Function, start: int, end: int, like: Array) -> Array:
    return own(end, like.shape[-1])[start:end].astype(like.dtype)


def _softmax_forward(own: Function, x: Array, *, mask: Array | None = None, out: Array | None = None) -> Any:
    y = own(x, mask)
    return y, y


def _causal_mask(own: Function, length: int, like: Array) -> Array:
    return own(length)


def _attention_forward(
    own: Function,
    *,
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    dropout: Any = None,
    out: Array | None = None,
) -> Any:
    context, weights = own(query, key, value, mask)
    if out is not None:
        out[...] = context
    return context, attention.AttentionCache(query, key, value, weights, weights, None)


def _attention_backward(
    own: Function, dcontext: Array, cache: Any, *, dquery: Array, dkey: Array, dvalue: Array
) -> None:
    dquery[...], dkey[...], dvalue[...] = own(dcontext, cache.query, cache.key, cache.value, cache.weights)


def _self_attention_forward(
    own: Function, x: Array, parameters: Any, *, heads: int, mask: Array | None = None, dropout: Any = None
) -> Any:
    y, query, key, value, weights, context = own(x, parameters, heads, mask)
    inside = attention.AttentionCache(query, key, value, weights, weights, None)
    return y, multi_head_attention.SelfAttentionCache(x, inside, context)


def _self_attention_backward(own: Function, dy: Array, cache: Any, parameters: Any, gradients: Any) -> Array:
    x, inside, context = cache
    return own(dy, x, inside.query, inside.key, inside.value, inside.weights, context, parameters, gradients)


def _relu_forward(own: Function, x: Array) -> Any:
    return own(x), x > 0


def _feed_forward_forward(own: Function, x: Array, parameters: Any, *, activation: Any = activation.RELU) -> Any:
    y, activated = own(x, parameters)
    return y, feed_forward.FeedForwardCache(x, activation, activated > 0, activated)


def _feed_forward_backward(own: Function, dy: Array, cache: Any, parameters: Any, gradients: Any) -> Array:
    return own(dy, cache.input, cache.activated, parameters, gradients)


def _layer_norm_forward(own: Function, x: Array, parameters: Any, *, epsilon: float = layer_norm.EPSILON) -> Any:
    y, normalized, inverse_deviation = own(x, parameters, epsilon)
    return y, layer_norm.LayerNormCache(normalized, inverse_deviation)


def _layer_norm_backward(own: Function, dy: Array, cache: Any, parameters: Any, gradients: Any) -> Array:
    return own(dy, cache.normalized, cache.inverse_deviation, parameters, gradients)


def _dropout_forward(own: Function, x: Array, masks: Any) -> Any:
    if masks is None:
        return x, None
    cache = dropout.DropoutCache(masks.next_mask(x.shape), masks.scale)
    return own(x, cache.kept, 1 - 1 / cache.scale), cache


def _dropout_backward(own: Function, dy: Array, cache: Any) -> Array:
    return dy if cache is None else own(dy, cache.kept, 1 - 1 / cache.scale)


def _cross_entropy_forward(
    own: Function, logits: Array, targets: Array, *, label_smoothing: float, token_count: int, out: Any = None
) -> Any:
    loss, probabilities = own(logits, targets, label_smoothing, token_count)
    return np.asarray(loss), cross_entropy.CrossEntropyCache(probabilities, targets, label_smoothing, token_count)


def _cross_entropy_backward(own: Function, dloss: float, cache: Any, *, out: Array | None = None) -> Array:
    dlogits = dloss * own(*cache)
    if out is not None:
        out[...] = dlogits
    return dlogits


PLACES: dict[str, tuple[Function, Function | None]] = {
    "embedding_forward": (embedding.embedding_forward, None),
    "embedding_backward": (embedding.embedding_backward, None),
    "sinusoids": (position_table.encodings, _encodings),
    "linear_forward": (linear.linear_forward, None),
    "linear_backward": (linear.linear_backward, None),
    "softmax_forward": (softmax.softmax_forward, _softmax_forward),
    "softmax_backward": (softmax.softmax_backward, None),
    "causal_mask": (attention.causal_mask, _causal_mask),
    "attention_forward": (attention.scaled_dot_product_attention_forward, _attention_forward),
    "masked_attention_forward": (attention.scaled_dot_product_attention_forward, _attention_forward),
    "attention_backward": (attention.scaled_dot_product_attention_backward, _attention_backward),
    "self_attention_forward": (multi_head_attention.self_attention_forward, _self_attention_forward),
    "self_attention_backward": (multi_head_attention.self_attention_backward, _self_attention_backward),
    "feed_forward_forward": (feed_forward.feed_forward_forward, _feed_forward_forward),
    "feed_forward_backward": (feed_forward.feed_forward_backward, _feed_forward_backward),
    "layer_norm_forward": (layer_norm.layer_norm_forward, _layer_norm_forward),
    "layer_norm_backward": (layer_norm.layer_norm_backward, _layer_norm_backward),
    "dropout_forward": (dropout.dropout_forward, _dropout_forward),
    "dropout_backward": (dropout.dropout_backward, _dropout_backward),
    "cross_entropy_forward": (cross_entropy.cross_entropy_forward, _cross_entropy_forward),
    "cross_entropy_backward": (cross_entropy.cross_entropy_backward, _cross_entropy_backward),
}
OF_ACTIVATION = ("relu_forward", "relu_backward")  # the model finds them in a table
OF_LOOP = ("adam_update", "learning_rate")  # the loop below calls them itself
IN_TRAINING = (*PLACES, *OF_ACTIVATION, *OF_LOOP)


@contextmanager
def in_place(own: dict[str, Function]) -> Iterator[None]:
    """The learner's functions in the package's places."""
    with ExitStack() as stack:
        for name, (original, adapter) in PLACES.items():
            if name in own:
                stack.enter_context(replaced(original, partial(adapter, own[name]) if adapter else own[name]))
        forward, backward = activation.RELU.forward, activation.RELU.backward
        if "relu_forward" in own:
            forward = partial(_relu_forward, own["relu_forward"])
        if "relu_backward" in own:
            backward = own["relu_backward"]
        relu = {"relu": activation.Activation(forward, backward)}
        stack.enter_context(patch.dict(activation.ACTIVATIONS, relu))
        yield


# --- Training ---


class Practice:
    """A small phrasebook and a tiny model: what both runs share."""

    def __init__(self, *, seed: int = 0) -> None:
        pairs, _, _ = phrasebook.split(PAIRS)
        sources, targets = [pair.source for pair in pairs], [pair.target for pair in pairs]
        tokenizer = bpe.train([*sources, *targets], vocabulary_size=VOCABULARY)
        self.config = TransformerConfig.preset("tiny", vocabulary_size=len(tokenizer))
        self._text = EncodedText.from_ids(tokenizer.encode_batch(sources), tokenizer.encode_batch(targets), self.config)
        self._seed = seed

    def losses(self, own: dict[str, Function], steps: int, mutant: Mutant | None = None) -> Iterator[float]:
        """The loss of each step, with the learner's functions in place of ours, or with a mistake in one of ours."""
        model = Transformer(self.config, seed=self._seed)
        adam = Adam.for_parameters(model.parameters.flat)
        rate_of = own.get("learning_rate", schedule.learning_rate)
        for step, batch in zip(range(1, steps + 1), self._batches(), strict=False):
            with in_place(own) if mutant is None else installed(mutant), np.errstate(all="ignore"):
                loss, gradients = model.loss_and_gradients(
                    batch.source, batch.target, seed=(self._seed, step), label_smoothing=0.1
                )
            rate = rate_of(step, d_model=self.config.d_model, warmup=WARMUP, scale=0.25)
            if update := own.get("adam_update"):
                flat, moments = model.parameters.flat, (adam.first_moment, adam.second_moment)
                update(flat, gradients.flat, *moments, step, rate, adam.beta1, adam.beta2, adam.epsilon)
            else:
                adam.update(model.parameters.flat, gradients.flat, rate=rate)
            yield float(loss)

    def _batches(self) -> Iterator[Batch]:
        stream = training_batches(self._text, BATCH_TOKENS, pad_id=self.config.pad_id, seed=self._seed, start=0)
        return (batch for _, batch in stream)


def find_mutant(label: str) -> Mutant:
    """The first slip in a layer whose label contains `label`. Raises InputError if there is none."""
    for exercise in EXERCISES.values():
        for source in exercise.mutated:
            if source.__module__.startswith("numpy_transformer.layers."):
                for mutant in mutants_of(source):
                    if label in mutant.label:
                        return mutant
    raise InputError(f"no mistake is called {label!r}; `show NAME --mistakes` lists those of an exercise")


def draw(file: Path, curves: dict[str, list[float]]) -> None:
    """The curves as a picture; its suffix says which kind. Raises InputError if it cannot be written."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for number, (name, losses) in enumerate(curves.items()):
        axes.plot(range(1, len(losses) + 1), losses, label=name, linewidth=3 - 1.5 * number)
    axes.set(xlabel="step", ylabel="loss")
    axes.legend()
    with atomic_write(file) as temporary:
        figure.savefig(temporary, format=file.suffix[1:] or "png")
