"""The output projection on a GPU: one product, however few the rows. Mathematics: layers/output_loss.py."""

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.gpu_twins import twin_of
from numpy_transformer.layers import output_loss
from numpy_transformer.layers.arithmetic import matmul
from numpy_transformer.layers.output_loss import OutputParameters


@twin_of(output_loss.output_projection)
def output_projection(x: Array, parameters: OutputParameters, *, out: Array | None = None) -> Array:
    """Logits x E^T, plus the bias, if any. (..., D) -> (..., V); the rows of `out` (N, V) may lie apart."""
    logits = matmul(x.reshape(-1, x.shape[-1]), parameters.weight.T, out=out)
    if parameters.bias is not None:
        logits += parameters.bias
    return logits.reshape(*x.shape[:-1], logits.shape[1])
