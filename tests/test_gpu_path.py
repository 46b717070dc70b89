"""The GPU's code path, on the stand-in: every layer, a training step, a translation, beside the same on NumPy."""

import numpy as np
import pytest
import strict_gpu

from numpy_transformer.backend import to_host
from numpy_transformer.gradcheck.case import Case
from numpy_transformer.gradcheck.suite import SUITE


def in_dtype(case: Case, dtype: str) -> Case:
    def convert(x):
        return x.astype(dtype)

    object.__setattr__(case, "inputs", {name: convert(x) for name, x in case.inputs.items()})
    object.__setattr__(case, "upstream", convert(case.upstream))
    return case


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
@pytest.mark.parametrize("layer", SUITE)
def test_every_layer_gives_what_the_cpu_gives(layer, dtype, tolerance):
    for on_cpu, on_gpu in zip(SUITE[layer](3, np), SUITE[layer](3, strict_gpu), strict=True):
        on_cpu, on_gpu = in_dtype(on_cpu, dtype), in_dtype(on_gpu, dtype)
        pairs = {"y": (on_cpu.forward(on_cpu.inputs), on_gpu.forward(on_gpu.inputs))}
        expected, found = on_cpu.gradients(on_cpu.inputs), on_gpu.gradients(on_gpu.inputs)
        pairs |= {name: (expected[name], found[name]) for name in expected}
        for name, (reference, value) in pairs.items():
            assert isinstance(value, strict_gpu.ndarray)
            assert value.dtype == reference.dtype == dtype, name
            scale = max(1.0, abs(reference).max(initial=0))
            np.testing.assert_allclose(to_host(value), reference, rtol=0, atol=tolerance * scale, err_msg=name)
