"""Attention of one decoding step on a GPU: a kernel for self-attention, one for cross-attention (decoder_attention.cu).

Mathematics: layers/attention.py. What a cache is, and which hypothesis sees which column: decoding/incremental.py.
"""

import math

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.kernels.launcher import Kernel

WARPS = 4  # of a block: as many hypotheses and heads
WIDEST_HEAD = 8 * 32  # numbers that a warp can hold, eight to a thread
BITS = 64  # columns in a word of `seen`


def packed_bits(seen: Array) -> Array:
    """Host array (..., N) of bools -> (..., N / 64, rounded up) of int64: bit n % 64 of word n / 64 is column n."""
    padding = -seen.shape[-1] % BITS
    padded = np.pad(seen, [(0, 0)] * (seen.ndim - 1) + [(0, padding)])
    return np.packbits(padded, axis=-1, bitorder="little").view("<i8")


def self_attention_step(
    projected: Array, bias: Array, cache: Array, *, columns: Array, seen: Array, heads: int
) -> Array:
    """projected (B W, 3D), less its bias (3D,) -> context (B W, D).

    Writes the new keys and values into their `columns` (B W,) of the cache (B, N, 2D), whose sentences may lie apart.
    `seen` (B W, words) are packed bits, one for each of the N columns.
    """
    context = array_module(projected).empty((len(projected), projected.shape[1] // 3), dtype=projected.dtype)
    arrays = projected, bias, cache, columns, seen, context
    _launch(SELF_ATTENTION, arrays, context, cache, heads)
    return context


def cross_attention_step(
    projected: Array, bias: Array, cache: Array, *, lengths: Array, heads: int, weights: Array | None = None
) -> Array:
    """projected (B W, D), queries less their bias (D,) -> context (B W, D).

    The first `lengths` (B,) columns of the cache (B, N, 2D) hold tokens; its sentences may lie apart. `weights`
    (B W, H, N), if given, receives the attention weights.
    """
    context = array_module(projected).empty(projected.shape, dtype=projected.dtype)
    _launch(CROSS_ATTENTION, (projected, bias, cache, lengths, context, weights), context, cache, heads)
    return context


def _launch(kernel: Kernel, arrays: tuple[Array | None, ...], context: Array, cache: Array, heads: int) -> None:
    rows, D = context.shape
    B, N, _ = cache.shape
    K = D // heads
    lanes = 1 << (-(-K // 8) - 1).bit_length()  # threads of a key
    room = cache.strides[0] // cache.strides[1]
    sizes = rows, rows // max(1, B), heads, K, lanes, N, room
    kernel.launch(context, (-(-rows * heads // WARPS),), 32 * WARPS, *arrays, *sizes, 1 / math.sqrt(K))


SELF_ATTENTION = Kernel("decoder_attention", "decoder_self_attention")
CROSS_ATTENTION = Kernel("decoder_attention", "decoder_cross_attention")
