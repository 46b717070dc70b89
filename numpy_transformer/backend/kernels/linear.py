"""A linear layer on a GPU: cuBLAS, and kernels for the bias and its gradient. Mathematics: layers/linear.py."""

from typing import Any, NamedTuple

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.gpu_twins import twin_of
from numpy_transformer.backend.kernels.arithmetic import add_product, matmul
from numpy_transformer.backend.kernels.bias import add_bias, column_sums
from numpy_transformer.layers import linear
from numpy_transformer.layers.linear import LinearParameters


class LinearGradients(NamedTuple):
    """The gradients of a linear layer whose input has a gradient already: its own is added to that."""

    weight: Array  # (I, O)
    bias: Array  # (O,)
    dx: Array  # (..., I), without gaps


@twin_of(linear.linear_forward)
def linear_forward(x: Array, parameters: LinearParameters) -> Array:
    """y = x W + b. (..., I) -> (..., O). Without a bias, if it is None: the residual connection then adds it."""
    y = matmul(rows_of(x), parameters.weight)  # (N, O)
    if parameters.bias is not None:
        add_bias(y, parameters.bias)
    return y.reshape(*x.shape[:-1], y.shape[-1])


@twin_of(linear.linear_backward)
def linear_backward(dy: Array, x: Array, parameters: LinearParameters, gradients: LinearParameters) -> Array:
    """(..., O) -> dx (..., I); writes gradients.weight and gradients.bias."""
    if parameters.bias is not None:
        column_sums(rows_of(dy), out=gradients.bias)
    return product_backward(dy, x, parameters.weight, gradients)


def product_backward(dy: Array, x: Array, weight: Array, gradients: LinearParameters | LinearGradients) -> Array:
    """y = x W, back: (..., O) -> dx (..., I), which LinearGradients collect; writes gradients.weight."""
    matmul(rows_of(x).T, rows_of(dy), out=gradients.weight)
    if isinstance(gradients, LinearGradients):
        add_product(rows_of(dy), weight.T, to=rows_of(gradients.dx))
        return gradients.dx
    return matmul(rows_of(dy), weight.T).reshape(x.shape)


def rows_of(x: Array) -> Array:
    """(..., D) -> (N, D)."""
    return x.reshape(-1, x.shape[-1])


def with_dx(gradients: Any, dx: Array) -> Any:
    """The gradients of a sub-layer whose first linear layer, its first part, shall add to dx."""
    first = gradients._fields[0]
    weight, bias = getattr(gradients, first)
    return gradients._replace(**{first: LinearGradients(weight, bias, dx)})
