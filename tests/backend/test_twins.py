"""The switch between a layer and its GPU twin."""

import sys
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
import strict_gpu

from numpy_transformer.backend.twins import gpu_twin


class Parameters(NamedTuple):
    weight: object


@pytest.fixture
def layer(monkeypatch) -> ModuleType:
    """A layer file toy/layer.py with two functions, and their twins in numpy_transformer/backend/kernels/layer.py."""
    reference, twin = ModuleType("toy.layer"), ModuleType("toy.kernels.layer")
    for name, module in {"toy": ModuleType("toy"), "toy.kernels": ModuleType("toy.kernels")}.items():
        module.__path__ = []  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(sys.modules, "toy.kernels.layer", twin)
    exec(
        "def forward(x, *, out=None):\n"
        "    'What it computes.'\n"
        "    return 'reference'\n"
        "def lookup(ids, parameters):\n"
        "    return 'reference'\n",
        reference.__dict__,
    )
    exec("def forward(x, *, out=None): return 'twin'\ndef lookup(ids, parameters): return 'twin'\n", twin.__dict__)
    reference.forward = gpu_twin()(reference.forward)
    reference.lookup = gpu_twin(decides="parameters")(reference.lookup)
    return reference


def test_the_type_of_the_array_decides(layer):
    x = np.ones(2)
    assert layer.forward(x) == "reference"
    assert layer.forward(strict_gpu.asarray(x)) == "twin"
    assert layer.forward(x=strict_gpu.asarray(x), out=None) == "twin"


def test_complex_numbers_stay_on_the_reference(layer):
    assert layer.forward(strict_gpu.asarray(np.ones(2, dtype=complex))) == "reference"


def test_another_argument_may_decide(layer):
    ids, weight = strict_gpu.asarray(np.arange(2)), strict_gpu.asarray(np.ones(2))
    assert layer.lookup(ids, Parameters(weight)) == "twin"
    assert layer.lookup(ids, parameters=Parameters(weight.astype(complex))) == "reference"


def test_the_reference_stays_callable(layer):
    assert layer.forward.reference(strict_gpu.ones(2)) == "reference"
    assert layer.forward.__doc__ == "What it computes."
