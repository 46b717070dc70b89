"""A residual connection on a GPU: one kernel for the sub-layer's last bias, dropout, sum and norm, and one for the
backward with all column sums (residual.cu). Mathematics: layers/residual.py.
"""

from typing import Any, cast

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.dropout_masks import DropoutMasks, DropoutSite
from numpy_transformer.backend.gpu_twins import textbook, twin_of
from numpy_transformer.backend.kernels.dropout import dropout_argument
from numpy_transformer.backend.kernels.launcher import LONGEST_ROW, Kernel, rows_of_eight
from numpy_transformer.backend.kernels.linear import with_dx
from numpy_transformer.backend.kernels.sums import add_up
from numpy_transformer.layers import residual
from numpy_transformer.layers.layer_norm import (
    EPSILON,
    LayerNormCache,
    LayerNormParameters,
    layer_norm_backward,
    layer_norm_forward,
)
from numpy_transformer.layers.linear import LinearParameters
from numpy_transformer.layers.residual import P, ResidualCache, SublayerBackward, SublayerForward

SUMMED = 256  # threads of a block that sums columns (residual.cu)
MOST_PARTS = 512  # partial sums of a column: several blocks per multiprocessor


@twin_of(residual.residual_forward)
def residual_forward(
    x: Array,
    sublayer: SublayerForward[P],
    parameters: tuple[P, LayerNormParameters],
    *,
    norm: str,
    dropout: DropoutMasks | None,
    epsilon: float = EPSILON,
) -> tuple[Array, ResidualCache]:
    """(..., D) -> (..., D). The sub-layer runs without its last bias, which one kernel adds with everything else."""
    D = x.shape[-1]
    if D > LONGEST_ROW:
        return textbook(residual.residual_forward)(x, sublayer, parameters, norm=norm, dropout=dropout, epsilon=epsilon)
    inside_parameters, norm_parameters = parameters
    before = after = None
    inner = x
    if norm == "pre":
        inner, before = layer_norm_forward(x, norm_parameters, epsilon=epsilon)
    update, inside = sublayer(inner, _without_last_bias(inside_parameters))
    bias = _last(inside_parameters).bias
    site = None if dropout is None else dropout.next_site()
    if norm == "post":
        y, after = norm_forward(x, norm_parameters, update=update, bias=bias, site=site, epsilon=epsilon)
    else:
        y = sum_forward(x, update, bias, site)
    return y, ResidualCache(before, inside, cast(Any, site), after)


@twin_of(residual.residual_backward)
def residual_backward(
    dy: Array,
    cache: ResidualCache,
    sublayer: SublayerBackward[P],
    parameters: tuple[P, LayerNormParameters],
    gradients: tuple[P, LayerNormParameters],
) -> Array:
    """(..., D) -> dx (..., D). The gradient of the sub-layer's last bias is summed on the way.

    In post-norm the sub-layer's last product adds to the residual path's gradient where that stands.
    """
    if dy.shape[-1] > LONGEST_ROW:
        return textbook(residual.residual_backward)(dy, cache, sublayer, parameters, gradients)
    (inside_parameters, norm_parameters), (inside_gradients, norm_gradients) = parameters, gradients
    before, inside, site, after = cache
    dbias = _last(inside_gradients).bias
    if after is not None:
        dsum, dupdate = norm_backward(
            dy, after, norm_parameters, norm_gradients, dbias=dbias, site=cast(DropoutSite | None, site)
        )
    else:
        dsum = array_module(dy).ascontiguousarray(dy)
        dupdate = sum_backward(dsum, dbias, cast(DropoutSite | None, site))
    if before is None and hasattr(inside_gradients, "output"):  # several linear layers: the first one's dx comes last
        inside_gradients = with_dx(inside_gradients, dsum)
    dinner = sublayer(dupdate, inside, _without_last_bias(inside_parameters), inside_gradients)
    if before is not None:
        dinner = layer_norm_backward(dinner, before, norm_parameters, norm_gradients)
    return dsum if dinner is dsum else dsum + dinner


def _last(parameters: Any) -> LinearParameters:
    """The linear layer that a sub-layer ends in: its `output`, or the sub-layer itself where it is a linear one."""
    return getattr(parameters, "output", parameters)


def _without_last_bias(parameters: Any) -> Any:
    """A sub-layer's parameters less the bias of the linear layer that it ends in."""
    if hasattr(parameters, "output"):
        return parameters._replace(output=parameters.output._replace(bias=None))
    return parameters._replace(bias=None)


def sum_forward(x: Array, update: Array, bias: Array, site: DropoutSite | None) -> Array:
    """x + Dropout(update + bias). (..., D) -> (..., D)."""
    xp, D = array_module(x), x.shape[-1]
    x, update = xp.ascontiguousarray(x), xp.ascontiguousarray(update)
    y = xp.empty(x.shape, dtype=x.dtype)
    N = x.size // max(1, D)
    grid, threads, lanes = rows_of_eight(N, D)
    FORWARD.launch(x, grid, threads, x, update, bias, y, N, D, lanes, dropout_argument(site))
    return y


def sum_backward(dy: Array, dbias: Array, site: DropoutSite | None) -> Array:
    """(..., D) -> dupdate; writes dbias. Without dropout it is dy itself: do not modify it in place."""
    xp = array_module(dy)
    dupdate = dy if site is None else xp.empty(dy.shape, dtype=dy.dtype)
    parts, threads, sizes = _parts(dy)
    partial = xp.empty((1, parts, dy.shape[-1]), dtype=dy.dtype)
    BACKWARD.launch(dy, (parts,), threads, dy, dupdate, partial, *sizes, dropout_argument(site))
    add_up((partial[0], dbias))
    return dupdate


def norm_forward(
    x: Array,
    parameters: LayerNormParameters,
    *,
    update: Array | None = None,
    bias: Array | None = None,
    site: DropoutSite | None = None,
    epsilon: float = EPSILON,
) -> tuple[Array, LayerNormCache]:
    """LayerNorm(x + Dropout(update + bias)), or LayerNorm(x) where there is no update. (..., D) -> (..., D)."""
    xp = array_module(x)
    x = xp.ascontiguousarray(x)
    update = None if update is None else xp.ascontiguousarray(update)
    y, normalized = xp.empty(x.shape, dtype=x.dtype), xp.empty(x.shape, dtype=x.dtype)
    inverse_deviation = xp.empty((*x.shape[:-1], 1), dtype=x.dtype)
    N, D = inverse_deviation.size, x.shape[-1]
    grid, threads, lanes = rows_of_eight(N, D)
    arrays = x, update, bias, *parameters, normalized, inverse_deviation, y
    NORM_FORWARD.launch(x, grid, threads, *arrays, N, D, lanes, float(epsilon), dropout_argument(site))
    return y, LayerNormCache(normalized, inverse_deviation)


def norm_backward(
    dy: Array,
    cache: LayerNormCache,
    parameters: LayerNormParameters,
    gradients: LayerNormParameters,
    *,
    dbias: Array | None = None,
    site: DropoutSite | None = None,
) -> tuple[Array, Array]:
    """(..., D) -> dx, dupdate: one array without dropout. Writes the norm's gradients, and dbias."""
    xp = array_module(dy)
    dy = xp.ascontiguousarray(dy)
    dx = xp.empty(dy.shape, dtype=dy.dtype)
    dupdate = dx if site is None else xp.empty(dy.shape, dtype=dy.dtype)
    parts, threads, sizes = _parts(dy)
    sums = (*gradients,) if dbias is None else (*gradients, dbias)
    partial = xp.empty((len(sums), parts, dy.shape[-1]), dtype=dy.dtype)
    arrays = dy, *cache, parameters.gain, dx, dupdate, partial
    NORM_BACKWARD.launch(dy, (parts,), threads, *arrays, *sizes, int(dbias is not None), dropout_argument(site))
    add_up(*zip(partial, sums, strict=True))
    return dx, dupdate


def _parts(dy: Array) -> tuple[int, int, tuple[int, int, int, int]]:
    """How the rows are divided to sum their columns: (blocks, threads of each, (N, D, lanes, rows of a block))."""
    D = dy.shape[-1]
    N = dy.size // max(1, D)
    _, threads, lanes = rows_of_eight(N, D, threads=SUMMED)
    at_once = threads // lanes
    rows = max(1, -(-N // (MOST_PARTS * at_once))) * at_once
    return -(-N // rows), threads, (N, D, lanes, rows)


FORWARD = Kernel("residual", "residual_forward")
NORM_FORWARD = Kernel("residual", "residual_norm_forward")
BACKWARD = Kernel("residual", "residual_backward")
NORM_BACKWARD = Kernel("residual", "residual_norm_backward")
