"""What the kernels of dropout.cu write, in NumPy: functions with their names and arguments."""

from numpy_transformer.backend.arrays import Array
from numpy_transformer.backend.dropout_masks import DropoutSite


def drop(x: Array, dropout: Array) -> Array:
    """philox.cuh's function of this name, for a whole array."""
    if dropout["threshold"] == 0:
        return x
    key = int(dropout["key_low"]), int(dropout["key_high"])
    kept = DropoutSite(key, int(dropout["site"]), int(dropout["threshold"])).mask(x.shape)
    return x * (kept * x.dtype.type(dropout["scale"]))


def dropout(x: Array, y: Array, rows: int, n: int, lanes: int, mask: Array) -> None:
    y[...] = drop(x, mask)
