"""The order of an epoch, from the lengths of its texts alone: batches of nearly equal cost and with little padding.

The texts are sorted by length and cut into batches, which are then shuffled. Neighbours have equal lengths, so there is
almost no padding (section 5.1 of the paper). The ids are not looked at, so they may stay on the disk: millions of pairs
take a second. Everything depends only on (seed, epoch), so a resumed run sees the same batches as an uninterrupted one.

>>> import numpy as np
>>> [batch.tolist() for batch in batches_by_length((np.array([3, 1, 2, 2]),), 4, seed=None)]
[[1], [2, 3], [0]]
"""

from collections.abc import Sequence

import numpy as np

from numpy_transformer.backend.arrays import Array


def batches_by_length(lengths: Sequence[Array], batch_tokens: int, *, seed: int | None, epoch: int = 0) -> list[Array]:
    """The indices of each batch of one epoch. Each text is in exactly one batch.

    `lengths` holds one array for each side of the texts, (N,) each; the texts are sorted by the last one, then by the
    one before it. `batch_tokens` bounds a batch's padded positions on each side; a longer text is a batch of its own.
    Every epoch, `seed` reshuffles the batches and the texts of equal lengths; None keeps the sorted order.
    """
    count = len(lengths[0])
    rng = None if seed is None else np.random.default_rng((seed, epoch))
    order = np.arange(count)
    if rng is not None:
        order[rng.permutation(count)] = np.arange(count)  # the permutation gives each text its place
    for side in lengths:
        # A stable sort keeps what is sorted already. NumPy sorts numbers of 16 bits by radix, several times as fast.
        small = side.astype(np.min_scalar_type(int(side.max(initial=0))))
        order = order[np.argsort(small[order], kind="stable")]
    longest = np.maximum.reduce(lengths)[order]
    batches = [order[start:end] for start, end in _cuts(longest, batch_tokens)]
    if rng is not None:
        rng.shuffle(batches)
    return batches


def _cuts(lengths: Array, batch_tokens: int) -> list[tuple[int, int]]:
    """(start, end) of each batch: as many texts as fit, where each takes as many positions as the longest of them."""
    cuts, start = [], 0
    counts = np.arange(1, batch_tokens + 1)
    while start < len(lengths):
        most = max(1, batch_tokens // max(1, int(lengths[start])))  # the first of them bounds their number
        longest = np.maximum.accumulate(lengths[start : start + most])
        positions = longest * counts[: len(longest)]  # of the first 1, 2, ... texts
        fitting = int(positions.searchsorted(batch_tokens, side="right"))
        end = start + max(1, fitting)
        cuts.append((start, end))
        start = end
    return cuts
