"""The best next tokens of each hypothesis: what may not come next, and the largest logits of what remains.

On a card one kernel reads the logits once and finds all of it (kernels/best_tokens.py), and one small array comes to
the host. On a CPU each part is a pass of its own.
"""

import math
from typing import NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, to_device
from numpy_transformer.backend.kernels import best_tokens as kernel
from numpy_transformer.decoding.scoring import largest, log_normalizer, on_host


class Barred(NamedTuple):
    """What may not come next, of b sentences with W hypotheses each; columns are those of the logits; host arrays."""

    pad: int  # the columns of two tokens that no translation contains
    bos: int
    eos: int
    at_limit: Array | None = None  # (b, W) where only eos may come next; None: nowhere
    forbidden: Array | None = None  # (b, W, V) what rules forbid; None: nothing

    def besides(self, others: Array) -> "Barred":
        """These and `others` (b, W, V)."""
        return self._replace(forbidden=others if self.forbidden is None else self.forbidden | others)


class Best(NamedTuple):
    """On the host, in 64 bits."""

    values: Array  # (b, W, count) logits, largest first; -inf where fewer may come next
    columns: Array  # (b, W, count) whose they are
    normalizers: Array  # (b, W) log of the sum of all exponentials, those of barred tokens included


def bar(logits: Array, barred: Barred) -> None:
    """logits (b, W, V) of what may not come next become -inf."""
    xp, rows = array_module(logits), logits.reshape(-1, logits.shape[-1])
    rows[:, barred.pad] = rows[:, barred.bos] = -math.inf
    if barred.forbidden is not None:
        xp.copyto(logits, -math.inf, where=to_device(barred.forbidden, xp))
    if barred.at_limit is not None:
        there = to_device(np.flatnonzero(barred.at_limit), xp)
        eos = rows[there, barred.eos]
        rows[there] = -math.inf
        rows[there, barred.eos] = eos


def best_tokens(logits: Array, count: int, barred: Barred, normalizers: Array | None = None) -> Best:
    """The `count` best of each hypothesis, of equal ones the first; logits (b, W, V) are overwritten.

    `normalizers` (b, W) are computed unless they are known.
    """
    (b, W, V), xp = logits.shape, array_module(logits)
    rows = logits.reshape(b * W, V)
    if xp is not np and count <= kernel.MOST_RANKS:
        flags = [None if x is None else to_device(x.reshape(b * W, *x.shape[2:]), xp) for x in barred[3:]]
        found = kernel.best_tokens(
            rows, count, never=(barred.pad, barred.bos), eos=barred.eos, at_limit=flags[0], forbidden=flags[1]
        )
        found, *known = on_host(found, *(() if normalizers is None else (normalizers,)))
        values, columns = found[:, 1 : 1 + count], found[:, 1 + count :].astype(np.intp)
        normalizer = known[0] if known else found[:, 0]
    else:
        normalizers = log_normalizer(logits) if normalizers is None else normalizers
        bar(logits, barred)
        values, columns, normalizer = on_host(*largest(rows, count), normalizers)
    return Best(values.reshape(b, W, count), columns.reshape(b, W, count), normalizer.reshape(b, W))
