"""Matrix products, over stacks of matrices if there are more than two axes, and sums of columns.

    y = a b

This is NumPy's matmul, under a name of its own so that a GPU can do it without copies and in the model's precision
(kernels/matmul.py, precision.py). It has no backward here, as each layer derives its own:

    da = dy b^T        db = a^T dy

A vector that is added at every position (a bias) has the sum over all positions as its gradient: the product 1^T dy.
"""

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.twins import gpu_twin


@gpu_twin()
def matmul(a: Array, b: Array, *, out: Array | None = None) -> Array:
    """a (..., M, K), b (..., K, N) with equal leading axes -> (..., M, N); written into `out` if that is given."""
    return array_module(a).matmul(a, b, out=out)


def column_sums(x: Array, *, out: Array) -> None:
    """Writes the sums of the columns of x (N, D), sum_n x_n, into `out` (D,).

    As a product, 1^T x, which is faster than a sum where x is in the cache. It is the array module's own: precision.py
    lowers no sum.
    """
    xp = array_module(x)
    xp.matmul(xp.ones(len(x), x.dtype), x, out=out)
