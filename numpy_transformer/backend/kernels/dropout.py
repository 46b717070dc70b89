"""Dropout on a GPU: one kernel, forward and backward (dropout.cu). Its cache says how to draw the mask again."""

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.dropout_masks import LEVELS, DropoutMasks, DropoutSite
from numpy_transformer.backend.gpu_twins import twin_of
from numpy_transformer.backend.kernels.launcher import Kernel, rows_of_eight
from numpy_transformer.layers import dropout


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
    DROPOUT.launch(dy, grid, threads, xp.ascontiguousarray(dy), dx, rows, n, lanes, *site_arguments(cache))
    return dx


def site_arguments(site: DropoutSite | None) -> tuple[int, int, int, int]:
    """A kernel's dropout arguments: key_low, key_high, site, threshold; threshold 0 for none."""
    return (0, 0, 0, 0) if site is None else (*site.key, site.site, site.threshold)


# --- NumPy twins ---


def drop(x: Array, key_low: int, key_high: int, site: int, threshold: int) -> Array:
    """philox.cuh's function of this name, for a whole array."""
    if threshold == 0:
        return x
    kept = DropoutSite((key_low, key_high), site, threshold).mask(x.shape)
    return x * (kept * x.dtype.type(LEVELS / (LEVELS - threshold)))


def _dropout(
    x: Array, y: Array, rows: int, n: int, lanes: int, key_low: int, key_high: int, site: int, threshold: int
) -> None:
    y[...] = drop(x, key_low, key_high, site, threshold)


DROPOUT = Kernel("dropout", "dropout", _dropout)
