"""The matrix product: y = a b, over stacks of matrices if there are more than two axes.

NumPy's matmul, under a name of its own so that a GPU can do it without copies and in the model's precision
(kernels/matmul.py, precision.py). It has no backward here, as each layer derives its own:

    da = dy b^T        db = a^T dy
"""

from numpy_transformer.backend import Array, array_module
from numpy_transformer.twin import gpu_twin


@gpu_twin()
def matmul(a: Array, b: Array, *, out: Array | None = None) -> Array:
    """a (..., M, K), b (..., K, N) with equal leading axes -> (..., M, N); written into `out` if that is given."""
    return array_module(a).matmul(a, b, out=out)
