"""The few sums and products that every layer is made of, each under the name that its formulas use.

    matmul(a, b)         a b                          (..., M, K), (..., K, N) -> (..., M, N)
    row_sum(x)           sum_i x_ni                   (..., D) -> (..., 1)
    row_mean(x)          sum_i x_ni / D               (..., D) -> (..., 1)
    row_dot(a, b)        sum_i a_ni b_ni              (..., D), (..., D) -> (..., 1)
    row_max(x)           max_i x_ni                   (..., D) -> (..., 1)
    column_sums(x)       sum_n x_ni                   (N, D) -> (D,)

A row is one position's vector. Row results keep an axis of length 1, so that they broadcast against the rows. Rows
are short here, often 16 to 512 numbers; on such rows einsum sums two to three times as fast as NumPy's sum and mean.

A vector that is added at every position (a bias) has the sum over all positions as its gradient: `column_sums`.
None of these has a backward of its own: each layer derives what it needs.
"""

from numpy_transformer.backend.arrays import Array, array_module


def matmul(a: Array, b: Array, *, out: Array | None = None) -> Array:
    """a (..., M, K), b (..., K, N) with equal leading axes -> (..., M, N); written into `out` if given."""
    return array_module(a).matmul(a, b, out=out)


def row_sum(x: Array) -> Array:
    """(..., D) -> (..., 1)."""
    return array_module(x).einsum("...d->...", x)[..., None]


def row_mean(x: Array) -> Array:
    """(..., D) -> (..., 1)."""
    return row_sum(x) / x.shape[-1]


def row_dot(a: Array, b: Array) -> Array:
    """(..., D), (..., D) -> (..., 1), without the array of products."""
    return array_module(a).einsum("...d,...d->...", a, b)[..., None]


def row_max(x: Array) -> Array:
    """(..., D) -> (..., 1), real: complex numbers are compared by their real parts."""
    return x.real.max(axis=-1, keepdims=True)


def column_sums(x: Array, *, out: Array) -> None:
    """Writes the sums of the columns of x (N, D), sum_n x_n, into `out` (D,).

    Computed as a product, 1^T x, which is faster than a sum while x is in the cache.
    """
    xp = array_module(x)
    xp.matmul(xp.ones(len(x), x.dtype), x, out=out)
