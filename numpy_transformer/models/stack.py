"""A stack of layers and the norm behind it: what the encoder, the decoder and the models of one stack have in common.

    x -> layer 1 -> layer 2 -> ... -> layer L -> norm (pre-norm only) -> y

Derivation. A chain, so the backwards of norm and layers run in reverse order.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.dropout_masks import Dropouts
from numpy_transformer.layers.layer_norm import (
    EPSILON,
    LayerNormCache,
    LayerNormParameters,
    layer_norm_backward,
    layer_norm_forward,
)
from numpy_transformer.models.backward_progress import layer_is_done
from numpy_transformer.models.recompute import layer_cache, layer_forward


class StackCache(NamedTuple):
    layers: tuple[Any, ...]  # each layer's cache, or Recomputed in its place
    norm: LayerNormCache | None


def stack_forward(
    x: Array,
    layers: Sequence[Any],
    norm: LayerNormParameters | None,
    forward: Callable[..., tuple[Array, Any]],
    *,
    dropouts: Dropouts,
    recompute: bool = False,
    epsilon: float = EPSILON,
) -> tuple[Array, StackCache]:
    """x (B, T, D) -> (B, T, D); `forward` takes (x, layer, *, dropouts). With `recompute` no layer keeps its cache
    (recompute.py)."""
    caches = []
    for layer in layers:
        x, cache = layer_forward(partial(forward, x, layer), dropouts, recompute=recompute)
        caches.append(cache)
    if norm is None:
        return x, StackCache(tuple(caches), None)
    y, norm_cache = layer_norm_forward(x, norm, epsilon=epsilon)
    return y, StackCache(tuple(caches), norm_cache)


def stack_backward(
    dy: Array,
    cache: StackCache,
    parameters: tuple[Sequence[Any], LayerNormParameters | None],
    gradients: tuple[Sequence[Any], LayerNormParameters | None],
    backward: Callable[[Array, Any, Any, Any], Array],
) -> Array:
    """dy (B, T, D) -> dx (B, T, D); writes the gradients of layers and norm. `backward` is one layer's.

    Whoever waits for a layer's gradients is told as soon as they are complete (backward_progress.py).
    """
    (layers, norm), (layer_gradients, norm_gradients) = parameters, gradients
    dx = dy
    if cache.norm is not None and norm is not None and norm_gradients is not None:
        dx = layer_norm_backward(dy, cache.norm, norm, norm_gradients)
    for kept, layer, gradient in reversed(list(zip(cache.layers, layers, layer_gradients, strict=True))):
        dx = backward(dx, layer_cache(kept), layer, gradient)
        layer_is_done(gradient)
    return dx
