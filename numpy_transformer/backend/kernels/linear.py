"""A linear layer on a GPU: cuBLAS, and kernels for the bias and its gradient. Mathematics: layers/linear.py."""

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.kernels.bias import add_bias, column_sums
from numpy_transformer.layers.linear import LinearParameters
from numpy_transformer.layers.matmul import matmul


def linear_forward(x: Array, parameters: LinearParameters) -> tuple[Array, Array]:
    """y = x W + b. (..., I) -> (..., O); the cache is x."""
    y = matmul(x.reshape(-1, x.shape[-1]), parameters.weight)  # (N, O)
    if parameters.bias is not None:
        add_bias(y, parameters.bias)
    return y.reshape(*x.shape[:-1], y.shape[-1]), x


def linear_backward(dy: Array, cache: Array, parameters: LinearParameters, gradients: LinearParameters) -> Array:
    """(..., O) -> dx (..., I); writes gradients.weight and gradients.bias."""
    x = cache
    x_rows, dy_rows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])  # (N, I), (N, O)
    matmul(x_rows.T, dy_rows, out=gradients.weight)
    if parameters.bias is not None:
        column_sums(dy_rows, out=gradients.bias)
    return matmul(dy_rows, parameters.weight.T).reshape(x.shape)
