"""Case builders for scaled dot-product attention and for multi-head self- and cross-attention."""

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.gradcheck.case import Case, Inputs, make_case, recipe
from numpy_transformer.gradcheck.masks import draw_masks
from numpy_transformer.layers.attention import (
    scaled_dot_product_attention_backward,
    scaled_dot_product_attention_forward,
)
from numpy_transformer.layers.blocked_attention import blocked_attention_backward, blocked_attention_forward
from numpy_transformer.layers.multi_head_attention import (
    cross_attention_backward,
    cross_attention_forward,
    cross_attention_spec,
    self_attention_backward,
    self_attention_forward,
    self_attention_spec,
)


def attention_mask(kind: str, lengths: Sequence[int], queries: int, keys: int, xp: ModuleType = np) -> Array | None:
    """A mask that broadcasts to (B, H, T, S): kind is "none", "causal", "padding" or "causal+padding".

    `lengths` is the number of real keys in each sentence.
    """
    if kind == "none":
        return None
    mask = np.ones((len(lengths), 1, queries, keys), dtype=bool)
    if "causal" in kind:
        mask &= np.tri(queries, keys, dtype=bool)
    if "padding" in kind:
        mask &= (np.arange(keys) < np.asarray(lengths)[:, None])[:, None, None, :]
    return xp.asarray(mask)


@recipe
def attention(
    *,
    seed: int,
    batch: int = 2,
    heads: int = 2,
    queries: int = 4,
    keys: int = 4,
    width: int = 3,
    scale: float = 1.0,
    mask: str = "none",
    lengths: Sequence[int] | None = None,
    dropout: float = 0.0,
    xp: Any,
) -> Case:
    """Scaled dot-product attention; `lengths` is the number of real keys in each sentence."""
    allowed = attention_mask(mask, lengths or [keys] * batch, queries, keys, xp)

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return scaled_dot_product_attention_forward(
            query=a["query"], key=a["key"], value=a["value"], mask=allowed, dropout=draw_masks(dropout, seed, xp)
        )

    def backward(dcontext: Array, cache: Any, **gradients: Array) -> None:
        scaled_dot_product_attention_backward(dcontext, cache, **gradients)

    name = f"attention ({mask} mask)" if mask != "none" else "attention"
    sizes = (batch, heads, queries, keys, width)
    return _attention_case(name, forward, backward, sizes, seed=seed, scale=scale, xp=xp)


@recipe
def blocked_attention(
    *,
    seed: int,
    batch: int = 2,
    heads: int = 2,
    queries: int = 5,
    keys: int = 5,
    width: int = 3,
    scale: float = 1.0,
    mask: str = "none",
    lengths: Sequence[int] | None = None,
    block: int = 2,
    xp: Any,
) -> Case:
    """Attention in blocks of `block` queries and keys."""
    allowed = attention_mask(mask, lengths or [keys] * batch, queries, keys, xp)

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return blocked_attention_forward(query=a["query"], key=a["key"], value=a["value"], mask=allowed, block=block)

    def backward(dcontext: Array, cache: Any, **gradients: Array) -> None:
        blocked_attention_backward(dcontext, cache, **gradients)

    sizes = (batch, heads, queries, keys, width)
    return _attention_case("blocked_attention", forward, backward, sizes, seed=seed, scale=scale, xp=xp)


def _attention_case(
    name: str,
    forward: Callable[[Inputs, Any], tuple[Array, Any]],
    attention_backward: Callable[..., None],
    sizes: tuple[int, int, int, int, int],
    *,
    seed: int,
    scale: float,
    xp: Any,
) -> Case:
    """A case of query, key and value; `sizes` are B, H, T, S, K."""
    B, H, T, S, K = sizes

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        dquery, dkey, dvalue = (xp.full_like(x, xp.nan) for x in (cache.query, cache.key, cache.value))
        attention_backward(dy, cache, dquery=dquery, dkey=dkey, dvalue=dvalue)
        return dquery, dkey, dvalue

    activations = {"query": (B, H, T, K), "key": (B, H, S, K), "value": (B, H, S, K)}
    return make_case(name, forward, backward, seed=seed, activations=activations, scale=scale, xp=xp)


@recipe
def self_attention(
    *,
    seed: int,
    batch: int = 2,
    length: int = 4,
    heads: int = 2,
    width: int = 3,
    mask: str = "causal",
    lengths: Sequence[int] | None = None,
    dropout: float = 0.0,
    scale: float = 1.0,
    xp: Any,
) -> Case:
    """Multi-head self-attention: query, key and value are one fused projection of x."""
    D = heads * width
    allowed = attention_mask(mask, lengths or [length] * batch, length, length, xp)

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        return self_attention_forward(a["x"], p, heads=heads, mask=allowed, dropout=draw_masks(dropout, seed, xp))

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        return (self_attention_backward(dy, cache, p, g),)

    return make_case(
        "self_attention",
        forward,
        backward,
        seed=seed,
        activations={"x": (batch, length, D)},
        spec=self_attention_spec(D),
        scale=scale,
        xp=xp,
    )


@recipe
def cross_attention(
    *,
    seed: int,
    batch: int = 2,
    queries: int = 3,
    keys: int = 4,
    heads: int = 2,
    width: int = 3,
    lengths: Sequence[int] | None = None,
    dropout: float = 0.0,
    scale: float = 1.0,
    xp: Any,
) -> Case:
    """Multi-head cross-attention: separate projections; queries come from x, keys and values from memory."""
    D = heads * width
    allowed = attention_mask("padding", lengths or [keys] * batch, queries, keys, xp)

    def forward(a: Inputs, p: Any) -> tuple[Array, Any]:
        masks = draw_masks(dropout, seed, xp)
        return cross_attention_forward(a["x"], p, memory=a["memory"], heads=heads, mask=allowed, dropout=masks)

    def backward(dy: Array, cache: Any, p: Any, g: Any) -> tuple[Array, ...]:
        dmemory = xp.zeros_like(cache.memory)
        return cross_attention_backward(dy, cache, p, g, dmemory=dmemory), dmemory

    return make_case(
        "cross_attention",
        forward,
        backward,
        seed=seed,
        activations={"x": (batch, queries, D), "memory": (batch, keys, D)},
        spec=cross_attention_spec(D),
        scale=scale,
        xp=xp,
    )
