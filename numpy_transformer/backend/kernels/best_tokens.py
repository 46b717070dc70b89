"""The best tokens of rows of logits and the rows' normalizers on a GPU, in one pass over them (best_tokens.cu).

What they mean: decoding/scoring.py.
"""

import math

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.kernels.launcher import Kernel, threads_for

LONG_ROW = 8192  # of a longer one many threads have little each, so that the search for the next best is short
MOST_RANKS = 64  # each costs the block a round; for more of them a sort is faster
NOBODY = -1  # no token


def best_tokens(
    logits: Array,
    count: int,
    *,
    never: tuple[int, int] = (NOBODY, NOBODY),
    forbidden: Array | None = None,
    at_limit: Array | None = None,
    eos: int = NOBODY,
) -> Array:
    """logits (R, V), rows evenly spaced -> (R, 1 + 2 count): normalizer, values in descending order, their tokens.

    Tokens are numbers of the logits' dtype, exact below 2^24. `never` and where `forbidden` (R, V) a token is barred;
    where `at_limit` (R,) all but `eos` are. A barred token has the value -inf. count is 0 to V.
    """
    xp = array_module(logits)
    if logits.strides[1] != logits.itemsize:
        logits = xp.ascontiguousarray(logits)
    R, V = logits.shape
    assert V < 1 << 24
    found = xp.empty((R, 1 + 2 * count), dtype=logits.dtype)
    threads = 1024 if V > LONG_ROW else threads_for(V)
    stride = logits.strides[0] // logits.itemsize if R > 1 else V
    numbers = V, stride, count, *never, eos, -math.inf
    BEST_TOKENS.launch(logits, (R,), threads, logits, forbidden, at_limit, found, *numbers)
    return found


BEST_TOKENS = Kernel("best_tokens", "best_tokens")
