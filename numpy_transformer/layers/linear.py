"""Linear layer: every position is multiplied by one matrix and shifted by one vector (section 3.3, FFN's two halves).

    y = x W + b

Derivation. In indices, y_no = sum_i x_ni W_io + b_o, where n runs over all positions of all sentences. The loss L
reaches W_io through every row n, so the chain rule sums over rows:

    dW_io = sum_n x_ni dy_no        dW = x^T dy
    db_o  = sum_n dy_no
    dx_ni = sum_o dy_no W_io        dx = dy W^T
"""

from typing import NamedTuple

from numpy_transformer.backend.arrays import Array
from numpy_transformer.layers.arithmetic import column_sums, matmul
from numpy_transformer.layers.parameters import parameter, xavier_uniform, zeros


class LinearParameters(NamedTuple):
    weight: Array  # (I, O)
    bias: Array  # (O,)


def linear_spec(inputs: int, outputs: int, *, fan_out: int | None = None) -> LinearParameters:
    """Xavier-uniform weight, drawn as part of one with `fan_out` outputs if given, and zero bias."""
    return LinearParameters(parameter((inputs, outputs), xavier_uniform(fan_out)), parameter((outputs,), zeros))


def linear_forward(x: Array, parameters: LinearParameters) -> Array:
    """y = x W + b. (..., I) -> (..., O). The backward needs x again and nothing else."""
    rows = x.reshape(-1, x.shape[-1])  # (N, I): one large matrix product is faster than many small ones
    y = matmul(rows, parameters.weight)  # (N, O)
    y += parameters.bias
    return y.reshape(*x.shape[:-1], -1)


def linear_backward(dy: Array, x: Array, parameters: LinearParameters, gradients: LinearParameters) -> Array:
    """(..., O) -> dx (..., I); writes gradients.weight and gradients.bias."""
    x_rows, dy_rows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])  # (N, I), (N, O)
    matmul(x_rows.T, dy_rows, out=gradients.weight)  # dW = x^T dy
    column_sums(dy_rows, out=gradients.bias)  # db = sum_n dy_n
    return matmul(dy_rows, parameters.weight.T).reshape(x.shape)  # dx = dy W^T
