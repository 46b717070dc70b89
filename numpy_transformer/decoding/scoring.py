"""What all searches share: their result, the length penalty, log-probabilities and the best tokens of a step."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, to_host
from numpy_transformer.backend.kernels.best_tokens import MOST_RANKS, best_tokens
from numpy_transformer.decoding.forwards import SAFE_EXPONENT
from numpy_transformer.errors import InputError
from numpy_transformer.layers.output_loss import CACHED_LOGITS

# A translation may have this many more tokens than its source (section 6.1).
EXTRA_LENGTH = 50
# Up to this many of the largest are found by repeated argmax, which is faster than a partition.
FEW = 16

# Called with the numbers of sentences that are done, and how many others are under way.
Done = Callable[[Sequence[int], int], None]


def renumbered(done: Done | None, indices: Sequence[int]) -> Done | None:
    """`done` for the texts with these indices, which are told by their places among them."""
    if done is None:
        return None
    return lambda places, live: done([indices[place] for place in places], live)


class Decoded(NamedTuple):
    """One translation as the searches return it."""

    ids: list[int]  # without bos and eos
    log_probability: float  # of the ids and eos
    score: float  # log_probability / length_penalty


def length_penalty(length: Any, alpha: float) -> Any:
    """((5 + length) / 6)^alpha, where `length`, a number or an array, counts tokens and eos (Wu et al. 2016, eq. 14).

    Each further token makes a translation less probable, so the log-probability favours short ones. Divided by this
    penalty it does so less: alpha 0 changes nothing, alpha 1 comes close to the mean log-probability of a token.
    """
    return ((5 + length) / 6) ** alpha


def coverage_penalty(attended: Array) -> float:
    """sum_i log min(a_i, 1), a_i being the attention of all steps to source token i (Wu et al. 2016, eq. 15).

    0 when every source token was looked at as much as one whole step does; a token that was left out costs much.
    """
    return float(np.log(np.clip(attended, 1e-12, 1)).sum())


def log_normalizer(logits: Array) -> Array:
    """log sum_v exp(logits_v): (..., V) -> (...). A logit minus this is the log-probability of its token."""
    if not isinstance(logits, np.ndarray):
        found = best_tokens(logits.reshape(-1, logits.shape[-1]), 0)
        return found.reshape(logits.shape[:-1])
    rows = logits.reshape(-1, logits.shape[-1])
    top, ones = rows.max(axis=1), np.ones(rows.shape[1], logits.dtype)
    if abs(top).max(initial=0) < SAFE_EXPONENT:  # usual: a pass less
        top[...] = 0
    shift = top.any()
    together = max(1, CACHED_LOGITS // rows.shape[1])  # a few rows at a time stay in the cache
    scratch = np.empty((min(together, len(rows)), rows.shape[1]), logits.dtype)
    sums = np.empty_like(top)
    for start in range(0, len(rows), together):
        some, free = slice(start, start + together), scratch[: len(rows) - start]
        shifted = np.subtract(rows[some], top[some, None], out=free) if shift else rows[some]
        np.matmul(np.exp(shifted, out=free), ones, out=sums[some])
    return (np.log(sums) + top).reshape(logits.shape[:-1])


def largest(x: Array, count: int) -> tuple[Array, Array]:
    """The `count` largest values of each row of x (N, M), which is overwritten, and their columns: (N, count) each.

    In descending order; of equal values the first comes first.
    """
    xp = array_module(x)
    if xp is not np and count <= MOST_RANKS:
        found = best_tokens(x, count)
        return found[:, 1 : 1 + count], found[:, 1 + count :].astype(np.int64)
    if count <= FEW:
        rows = np.arange(len(x))
        values = np.empty((len(x), count), dtype=x.dtype)
        columns = np.empty((len(x), count), dtype=rows.dtype)
        for rank in range(count):
            columns[:, rank] = x.argmax(axis=1)
            values[:, rank] = x[rows, columns[:, rank]]
            x[rows, columns[:, rank]] = -math.inf
        return values, columns
    columns = xp.argsort(-x, axis=1, kind="stable")[:, :count]
    return xp.take_along_axis(x, columns, axis=1), columns


def check_numbers(log_probabilities: Array) -> None:
    """Raises InputError when the model computes NaN, as it does after a run that diverged."""
    if np.isnan(log_probabilities).any():
        raise InputError("the model computes NaN instead of probabilities: use a checkpoint from before it diverged")


def on_host(*arrays: Array) -> list[Array]:
    """Ids and log-probabilities on the host, in 64 bits: sums over long sentences stay exact.

    From a GPU they come in one transfer, since each makes the host wait; float64 holds every id exactly.
    """
    if isinstance(arrays[0], np.ndarray) or len(arrays) == 1:
        wide = [to_host(x) for x in arrays]
    else:
        xp = array_module(arrays[0])
        together = to_host(xp.concatenate([x.astype(np.float64).ravel() for x in arrays]))
        parts = np.split(together, np.cumsum([x.size for x in arrays])[:-1])
        wide = [part.reshape(x.shape) for part, x in zip(parts, arrays, strict=True)]
    return [part.astype(np.float64 if x.dtype.kind == "f" else np.intp) for part, x in zip(wide, arrays, strict=True)]
