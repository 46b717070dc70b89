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
from numpy_transformer.backend.kernels import launcher
from numpy_transformer.layers.dropout import DropoutMasks
from numpy_transformer.layers.layer_norm import LayerNormParameters
from numpy_transformer.layers.residual import after_sublayer_backward, after_sublayer_forward

__all__ = ["executed"]  # a fixture


def there_and_back(xp, arrays, *, norm, p, with_bias):
    """Everything that the two functions return and write, by name."""
    x, update, dy, bias, *norms = arrays
    parameters = LayerNormParameters(*norms)
    gradients = LayerNormParameters(*(xp.full_like(parameter, xp.nan) for parameter in parameters))
    dropout = DropoutMasks(p, (3, 1), xp, philox=True) if p else None
    options = {"norm": norm, "dropout": dropout, "bias": bias if with_bias else None}
    y, cache = after_sublayer_forward(x, update, parameters, **options)
    dbias = xp.full_like(bias, xp.nan) if with_bias else None
    dx, dupdate = after_sublayer_backward(dy, cache, parameters, gradients, dbias=dbias)
    results = {"y": y, "dx": dx, "dupdate": dupdate}
    if norm == "post":
        results |= {"dgain": gradients.gain, "dnorm_bias": gradients.bias}
    return results | ({"dbias": dbias} if with_bias else {})


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
@pytest.mark.parametrize(("p", "with_bias"), [(0.0, False), (0.0, True), (0.3, True)])
@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES)
def test_residual(shape, dtype, norm, p, with_bias):
    """Compare with the reference in float64; if no row begins at a multiple of 16 bytes, the bits are the same."""
    arrays = draw(SHAPES[shape], dtype)
    options = {"norm": norm, "p": p, "with_bias": with_bias}
    expected = there_and_back(np, [array.astype("float64") for array in arrays], **options)
    found = there_and_back(strict_gpu, [shifted(array, 0) for array in arrays], **options)
    again = there_and_back(strict_gpu, [shifted(array, 1) for array in arrays], **options)
    for name, value in expected.items():
        assert_near(found[name], value.astype(dtype), dtype)
        assert to_host(found[name]).tobytes() == to_host(again[name]).tobytes(), name
    if not p:
        assert found["dupdate"] is found["dx"]


SOURCE = launcher.source("residual")
USED = [n for n, part in enumerate(SOURCE.split(BARRIER)[:-1]) if n >= SOURCE.split("// Rows")[0].count(BARRIER)]


@needs_compiler
@pytest.mark.parametrize("missing", [None, *USED])
def test_a_missing_barrier_is_noticed(missing, monkeypatch):
    """Each of rows.cuh and residual.cu, in rows of three warps, two of them in a block."""
    instead_of_the_source(monkeypatch, without_barrier(SOURCE, missing))
    carry_out(monkeypatch, run_emulated)
    noticed = pytest.raises(AssertionError, match="depends on the order of the threads")
    arrays = [strict_gpu.asarray(array) for array in draw((5, 768), "float64")]
    with nullcontext() if missing is None else noticed:
        there_and_back(strict_gpu, arrays, norm="post", p=0.3, with_bias=True)
