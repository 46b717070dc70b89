"""Scaled dot-product attention on a GPU: one kernel forward, two backward (attention.cu), and no T x S array anywhere.

Mathematics: layers/attention.py and, for the sums over tiles, layers/blocked_attention.py: plain and blocked attention
are the same here. Weights are only computed where somebody asks for them. The biases of query, key and value may come
apart from them: the kernels add them as they read (multi_head_attention.py).
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.dropout_masks import DropoutMasks, DropoutSite
from numpy_transformer.backend.gpu_twins import textbook, twin_of
from numpy_transformer.backend.kernels.dropout import dropout_argument
from numpy_transformer.backend.kernels.launcher import Kernel, shared_memory
from numpy_transformer.backend.kernels.structs import Struct, StructType
from numpy_transformer.layers import attention, blocked_attention
from numpy_transformer.layers.attention import AttentionCache
from numpy_transformer.layers.blocked_attention import BlockedAttentionCache, blocked_attention_weights

TILE, THREADS, WIDEST = 32, 128, 128  # queries or keys of a tile, threads of a block, K at most (attention.cu)
ROWS = StructType("Rows", sentence="i8", head="i8", position="i8")
OPERANDS = "query", "key", "value", "context", "dcontext", "dquery", "dkey", "dvalue"
SHAPE = StructType("Shape", H="i4", T="i4", S="i4", K="i4", scale="real", **dict.fromkeys(OPERANDS, ROWS))
MASK = StructType("Mask", sentence="i8", head="i8", query="i8", key="i8")
NOWHERE = ROWS(0, 0, 0)
KEPT = 1 << 12  # batches come in hundreds of shapes


class Biases(NamedTuple):
    """What is added to query, key and value: (D,) each, D = H K."""

    query: Array | None = None
    key: Array | None = None
    value: Array | None = None


NO_BIASES = Biases()


class FusedAttentionCache(NamedTuple):
    query: Array  # (B, H, T, K), without its bias, as key and value
    key: Array  # (B, H, S, K)
    value: Array  # (B, H, S, K)
    biases: Biases
    context: Array  # (B, H, T, K)
    logsum: Array  # (B, H, T); 0 for a query that may see no key
    mask: Array | None  # broadcasts to (B, H, T, S)
    site: DropoutSite | None

    @property
    def weights(self) -> Array:
        """(B, H, T, S), before dropout: computed now, for those who want to look at them."""
        query, key = (
            x if bias is None else x + bias.reshape(x.shape[1], 1, -1)
            for x, bias in zip(self[:2], self.biases, strict=False)
        )
        logsum = self.logsum[..., None]
        return blocked_attention_weights(
            BlockedAttentionCache(query, key, self.value, self.context, logsum, self.mask, block=0)
        )


def fits(x: Array, width: int) -> bool:
    """Whether the kernels work on heads of this width: a block holds four tiles of them, and two of scores."""
    return width <= WIDEST and _shared(x, width, 4, 2) <= shared_memory(array_module(x))


def attend(
    query: Array,
    key: Array,
    value: Array,
    *,
    biases: Biases = NO_BIASES,
    mask: Array | None,
    dropout: DropoutMasks | None,
    out: Array | None = None,
) -> FusedAttentionCache:
    """query (B, H, T, K), key and value (B, H, S, K) -> context (B, H, T, K), written into `out` if given."""
    xp, (B, H, T, K) = array_module(query), query.shape
    query, key, value = (_with_neighbours(x) for x in (query, key, value))
    site = None if dropout is None else dropout.next_site()
    context = xp.empty(query.shape, dtype=query.dtype) if out is None else out
    logsum = xp.empty((B, H, T), dtype=query.dtype)
    arrays = query, key, value, *biases, mask, context, logsum
    numbers = _shape(query, key, query, key, value, context), _steps(mask, query, key), dropout_argument(site)
    FORWARD.launch(query, _blocks(B, H, T), THREADS, *arrays, *numbers, shared=_shared(query, K, 3, 1))
    return FusedAttentionCache(query, key, value, biases, context, logsum, mask, site)


def attend_backward(dcontext: Array, cache: FusedAttentionCache, *, dquery: Array, dkey: Array, dvalue: Array) -> None:
    """dcontext (B, H, T, K) -> writes dquery (B, H, T, K), dkey and dvalue (B, H, S, K)."""
    query, key, value, biases, context, logsum, mask, site = cache
    (B, H, T, K), S = query.shape, key.shape[2]
    dcontext = _with_neighbours(dcontext)
    inner = array_module(query).empty(logsum.shape, dtype=query.dtype)
    shape = _shape(query, key, query, key, value, context, dcontext, dquery, dkey, dvalue)
    numbers = shape, _steps(mask, query, key), dropout_argument(site)
    given = query, key, value, *biases, mask
    arrays = *given, context, logsum, dcontext, dquery, inner
    BACKWARD_QUERY.launch(query, _blocks(B, H, T), THREADS, *arrays, *numbers, shared=_shared(query, K, 4, 1))
    arrays = *given, logsum, dcontext, inner, dkey, dvalue
    BACKWARD_KEY_VALUE.launch(query, _blocks(B, H, S), THREADS, *arrays, *numbers, shared=_shared(query, K, 4, 2))


def _with_neighbours(x: Array) -> Array:
    """The K numbers of a vector side by side."""
    return x if x.strides[-1] == x.itemsize or x.shape[-1] == 1 else array_module(x).ascontiguousarray(x)


def _blocks(sentences: int, heads: int, length: int) -> tuple[int]:
    return (sentences * heads * -(-length // TILE),)


def _shared(x: Array, width: int, vectors: int, scores: int) -> int:
    """Bytes of `vectors` tiles of vectors, a load of 16 bytes longer than they need, and `scores` tiles of scores."""
    in_a_load = 16 // x.itemsize
    pitch = (-(-width // in_a_load) + 1) * in_a_load
    return TILE * (vectors * pitch + scores * (TILE + 1)) * x.itemsize


def _shape(query: Array, key: Array, *operands: Array) -> Struct:
    """Sizes, and the distances in each operand, in numbers; operands come in the order of OPERANDS, not always all."""
    _, H, T, K = query.shape
    assert K == 1 or all(x.strides[-1] == x.itemsize for x in operands)
    return _shape_of(H, T, key.shape[2], K, query.itemsize, tuple(x.strides for x in operands))


@lru_cache(maxsize=KEPT)
def _shape_of(H: int, T: int, S: int, K: int, itemsize: int, strides: tuple[tuple[int, ...], ...]) -> Struct:
    """The same for strides in bytes: most layers of a step ask for what another has asked for."""
    rows = [ROWS(*(stride // itemsize for stride in one[:3])) for one in strides]
    return SHAPE(H, T, S, K, 1 / math.sqrt(K), *rows, *[NOWHERE] * (len(OPERANDS) - len(rows)))


def _steps(mask: Array | None, query: Array, key: Array) -> Struct:
    """How far apart in the mask neighbours along each axis of the scores are: 0 where one entry stands for all."""
    if mask is None:
        return _steps_of((1,), (0,))
    scores = (*query.shape[:-1], key.shape[2])
    assert all(n in (1, of_scores) for n, of_scores in zip(mask.shape[::-1], scores[::-1], strict=False))
    return _steps_of(mask.shape, mask.strides)  # a bool is a byte


@lru_cache(maxsize=KEPT)
def _steps_of(shape: tuple[int, ...], strides: tuple[int, ...]) -> Struct:
    steps = [0 if n == 1 else stride for n, stride in zip(shape, strides, strict=True)]
    return MASK(*[0] * (4 - len(steps)), *steps)


# --- Instead of the layers' functions ---


@twin_of(attention.causal_mask)
def causal_mask(length: int, like: Array) -> Array:
    """(T, T), True where s <= t: a window that slides over one line of 2 T - 1."""
    xp = array_module(like)
    line = xp.arange(2 * length - 1) < length
    return xp.lib.stride_tricks.as_strided(line[length - 1 :], (length, length), (-1, 1))


@twin_of(attention.scaled_dot_product_attention_forward)
def scaled_dot_product_attention_forward(
    *,
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    dropout: DropoutMasks | None = None,
    out: Array | None = None,
) -> tuple[Array, AttentionCache | FusedAttentionCache]:
    """query (B, H, T, K), key and value (B, H, S, K) -> context (B, H, T, K)."""
    if not fits(query, query.shape[-1]):
        return textbook(attention.scaled_dot_product_attention_forward)(
            query=query, key=key, value=value, mask=mask, dropout=dropout, out=out
        )
    cache = attend(query, key, value, mask=mask, dropout=dropout, out=out)
    return cache.context, cache


@twin_of(attention.scaled_dot_product_attention_backward)
def scaled_dot_product_attention_backward(
    dcontext: Array, cache: AttentionCache | FusedAttentionCache, *, dquery: Array, dkey: Array, dvalue: Array
) -> None:
    """dcontext (B, H, T, K) -> writes dquery (B, H, T, K), dkey and dvalue (B, H, S, K), which may be strided views."""
    if isinstance(cache, FusedAttentionCache):
        attend_backward(dcontext, cache, dquery=dquery, dkey=dkey, dvalue=dvalue)
    else:
        textbook(attention.scaled_dot_product_attention_backward)(
            dcontext, cache, dquery=dquery, dkey=dkey, dvalue=dvalue
        )


@twin_of(blocked_attention.blocked_attention_forward)
def blocked_attention_forward(
    *,
    query: Array,
    key: Array,
    value: Array,
    mask: Array | None = None,
    out: Array | None = None,
    block: int = 0,
) -> tuple[Array, Any]:
    """The same kernel; the cache tells the backward."""
    return scaled_dot_product_attention_forward(query=query, key=key, value=value, mask=mask, out=out)


@twin_of(blocked_attention.blocked_attention_backward)
def blocked_attention_backward(dcontext: Array, cache: Any, *, dquery: Array, dkey: Array, dvalue: Array) -> None:
    """The same kernels."""
    scaled_dot_product_attention_backward(dcontext, cache, dquery=dquery, dkey=dkey, dvalue=dvalue)


FORWARD = Kernel("attention", "attention_forward")
BACKWARD_QUERY = Kernel("attention", "attention_backward_query")
BACKWARD_KEY_VALUE = Kernel("attention", "attention_backward_key_value")
