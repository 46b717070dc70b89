"""Philox4x32-10: random numbers as a function of a counter (Salmon et al. 2011, "Parallel Random Numbers: As Easy as
1, 2, 3").

A generator with a state must be called in order. This one is a function: 10 rounds of multiplying and mixing turn a
counter of four words and a key of two into four random words. So every thread of a GPU draws its own numbers, and the
backward redraws the forward's numbers instead of storing them.

Here a counter names eight neighbours in a row of a matrix:

    counter = (column // 8, row, site, row // 2^32)        element (row, column) takes half-word column % 8

of the four words, 16 bits each, low half first. backend/kernels/philox.cuh computes the same numbers on a card.
"""

from typing import TypeAlias

import numpy as np

from numpy_transformer.backend.arrays import Array

Key: TypeAlias = tuple[int, int]  # two words of 32 bits

MULTIPLIERS = np.array([[0xD2511F53], [0xCD9E8D57]], dtype=np.uint64)
KEY_STEPS = 0x9E3779B9, 0xBB67AE85  # added to the key after each round: golden ratio, sqrt(3) - 1
ROUNDS = 10
WORD = 0xFFFFFFFF
NEIGHBOURS = 8
COUNTERS_AT_ONCE = 1 << 14  # what a core's cache holds


def philox4x32(counter: Array, key: Key) -> Array:
    """counter (4, n) of words -> (4, n) random words, as uint64 below 2^32."""
    even, odd = (np.array(counter[start::2], np.uint64, order="C") for start in (0, 1))  # (2, n) each
    products = np.empty_like(even)
    for number in range(ROUNDS):
        round_key = [[(word + number * step) & WORD] for word, step in zip(key, KEY_STEPS, strict=True)]
        np.multiply(even, MULTIPLIERS, out=products)
        crossed = products[::-1]
        np.right_shift(crossed, 32, out=even)  # the high words of the products, crossed over
        even ^= odd
        even ^= np.array(round_key, np.uint64)
        np.bitwise_and(crossed, WORD, out=odd)  # the low words
    return np.stack([even[0], odd[0], even[1], odd[1]])


def random_halves(rows: int, columns: int, *, key: Key, site: int) -> Array:
    """(rows, columns) random numbers from 0 to 65535, uint16."""
    groups = -(-columns // NEIGHBOURS)
    halves = np.empty((rows * groups, NEIGHBOURS), np.dtype("<u2"))
    for start in range(0, len(halves), COUNTERS_AT_ONCE):
        part = halves[start : start + COUNTERS_AT_ONCE]
        row, group = divmod(np.arange(start, start + len(part), dtype=np.uint64), np.uint64(groups))
        counter = np.stack([group, row & np.uint64(WORD), np.full_like(row, site), row >> np.uint64(32)])
        part[...] = philox4x32(counter, key).T.astype("<u4", order="C").view("<u2")
    return halves.reshape(rows, groups * NEIGHBOURS)[:, :columns]
