"""A linear layer on a GPU: cuBLAS, and kernels for the bias and its gradient. Mathematics: layers/linear.py."""

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.gpu_twins import twin_of
from numpy_transformer.backend.kernels.bias import add_bias, column_sums
from numpy_transformer.layers import linear
from numpy_transformer.layers.arithmetic import matmul
from numpy_transformer.layers.linear import LinearParameters


@twin_of(linear.linear_forward)
def linear_forward(x: Array, parameters: LinearParameters) -> Array:
    """y = x W + b. (..., I) -> (..., O). Without a bias, if it is None: the residual connection then adds it."""
    y = matmul(x.reshape(-1, x.shape[-1]), parameters.weight)  # (N, O)
    if parameters.bias is not None:
        add_bias(y, parameters.bias)
    return y.reshape(*x.shape[:-1], y.shape[-1])


@twin_of(linear.linear_backward)
def linear_backward(dy: Array, x: Array, parameters: LinearParameters, gradients: LinearParameters) -> Array:
    """(..., O) -> dx (..., I); writes gradients.weight and gradients.bias."""
    x_rows, dy_rows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])  # (N, I), (N, O)
    matmul(x_rows.T, dy_rows, out=gradients.weight)
    if parameters.bias is not None:
        column_sums(dy_rows, out=gradients.bias)
    return matmul(dy_rows, parameters.weight.T).reshape(x.shape)
