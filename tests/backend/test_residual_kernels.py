"""Bias, dropout, residual and norm in one kernel, forward and backward: twin and emulation against the reference."""

from contextlib import nullcontext

import numpy as np
import pytest
import strict_gpu
from test_kernels import (
    BARRIER,
    TOLERANCE,
    assert_near,
    carry_out,
    executed,
    instead_of_the_source,
    needs_compiler,
    numbers,
    run_emulated,
    without_barrier,
)
from test_training_kernels import shifted

from numpy_transformer.backend.arrays import to_host
from numpy_transformer.backend.dropout_masks import DropoutMasks
from numpy_transformer.backend.kernels import launcher
from numpy_transformer.layers.layer_norm import LayerNormParameters
from numpy_transformer.layers.linear import LinearParameters
from numpy_transformer.layers.residual import residual_backward, residual_forward

__all__ = ["executed"]  # a fixture


def there_and_back(xp, arrays, *, norm, p):
    """Everything that the two functions give and write, by name. The sub-layer gives `update` whatever comes in."""
    x, update, dy, bias, *norms = arrays
    norm_parameters = LayerNormParameters(*norms)
    norm_gradients = LayerNormParameters(*(xp.full_like(parameter, xp.nan) for parameter in norm_parameters))
    parameters = LinearParameters(xp.zeros((1, 1), dtype=x.dtype), bias)
    gradients = LinearParameters(xp.zeros((1, 1), dtype=x.dtype), xp.full_like(bias, xp.nan))
    results = {}

    def sublayer(inner, parameters):
        results["inner"] = inner
        return (update if parameters.bias is None else update + parameters.bias), None

    def sublayer_backward(dupdate, cache, parameters, gradients):
        results["dupdate"] = dupdate
        if parameters.bias is not None:
            gradients.bias[...] = dupdate.reshape(-1, dupdate.shape[-1]).sum(axis=0)
        return xp.zeros_like(dupdate)

    dropout = DropoutMasks(p, (3, 1), xp, philox=True) if p else None
    y, cache = residual_forward(x, sublayer, (parameters, norm_parameters), norm=norm, dropout=dropout)
    dx = residual_backward(dy, cache, sublayer_backward, (parameters, norm_parameters), (gradients, norm_gradients))
    names = ("dgain", "dnorm_bias")
    return {**results, "y": y, "dx": dx, "dbias": gradients.bias, **dict(zip(names, norm_gradients, strict=True))}


def draw(shape, dtype):
    D = shape[-1]
    return [numbers(s, dtype, seed) for seed, s in enumerate((shape, shape, shape, D, D, D))]


SHAPES = {
    "one number": (1, 1),
    "rows that fill no load": (2, 3, 5),
    "several rows in a warp, several partial sums": (300, 6),
    "no row": (0, 4),
    "more blocks than partial sums": (1300, 8),
    "several rows in a block": (9, 128),
    "rows of several warps": (5, 768),
    "lanes that idle": (3, 1100),
    "too long for the kernel": (1, 8200),
}


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("p", [0.0, 0.3])
@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES)
def test_residual(shape, dtype, norm, p):
    """Beside the reference in float64, also where no row begins at a multiple of 16 bytes: the same bits."""
    arrays = draw(SHAPES[shape], dtype)
    options = {"norm": norm, "p": p}
    expected = there_and_back(np, [array.astype("float64") for array in arrays], **options)
    found = there_and_back(strict_gpu, [shifted(array, 0) for array in arrays], **options)
    again = there_and_back(strict_gpu, [shifted(array, 1) for array in arrays], **options)
    for name, value in expected.items():
        assert_near(found[name], value.astype(dtype), dtype)
        assert to_host(found[name]).tobytes() == to_host(again[name]).tobytes(), name


SOURCE = launcher.source("residual")
USED = [n for n, part in enumerate(SOURCE.split(BARRIER)[:-1]) if n >= SOURCE.split("// Rows")[0].count(BARRIER)]


@needs_compiler
@pytest.mark.parametrize("missing", [None, *USED])
def test_a_missing_barrier_is_noticed(missing, monkeypatch):
    """Each of rows.cuh and residual.cu, in rows of three warps, two of them in a block."""
    instead_of_the_source(monkeypatch, "residual", without_barrier(SOURCE, missing))
    carry_out(monkeypatch, run_emulated)
    noticed = pytest.raises(AssertionError, match="depends on the order of the threads")
    arrays = [strict_gpu.asarray(array) for array in draw((5, 768), "float64")]
    with nullcontext() if missing is None else noticed:
        there_and_back(strict_gpu, arrays, norm="post", p=0.3)
