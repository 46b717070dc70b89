"""Dropout on a GPU: one kernel, forward and backward (dropout.cu). Its cache says how to draw the mask again."""

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.dropout_masks import LEVELS, DropoutMasks, DropoutSite
from numpy_transformer.backend.gpu_twins import twin_of
from numpy_transformer.backend.kernels.launcher import Kernel, rows_of_eight
from numpy_transformer.backend.kernels.structs import Struct, StructType
from numpy_transformer.layers import dropout

DROPOUT_TYPE = StructType("Dropout", key_low="u4", key_high="u4", site="u4", threshold="u4", scale="real")
NONE = DROPOUT_TYPE(0, 0, 0, 0, 1.0)


@twin_of(dropout.dropout_forward)
def dropout_forward(x: Array, masks: DropoutMasks | None) -> tuple[Array, DropoutSite | None]:
    """x * kept / (1 - p), or x itself where `masks` is None."""
    site = None if masks is None else masks.next_site()
    return dropout_backward(x, site), site


@twin_of(dropout.dropout_backward)
def dropout_backward(dy: Array, cache: DropoutSite | None) -> Array:
    """dy * kept / (1 - p)."""
    if cache is None:
        return dy
    xp = array_module(dy)
    dx = xp.empty(dy.shape, dtype=dy.dtype)
    n = dy.shape[-1] if dy.ndim else 1
    rows = dy.size // max(1, n)
    grid, threads, lanes = rows_of_eight(rows, n)
    DROPOUT.launch(dy, grid, threads, xp.ascontiguousarray(dy), dx, rows, n, lanes, dropout_argument(cache))
    return dx


def dropout_argument(site: DropoutSite | None) -> Struct:
    """What a kernel's parameter `Dropout` is given; threshold 0 for none."""
    if site is None:
        return NONE
    return DROPOUT_TYPE(*site.key, site.site, site.threshold, LEVELS / (LEVELS - site.threshold))


DROPOUT = Kernel("dropout", "dropout")
