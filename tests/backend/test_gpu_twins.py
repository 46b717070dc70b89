"""How a layer function gives way to its GPU twin."""

import inspect
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
import strict_gpu

from numpy_transformer.backend.gpu_twins import give_way, registered, textbook, twin_of
from numpy_transformer.layers import layer_norm, linear


class Parameters(NamedTuple):
    weight: object


@pytest.fixture
def layer() -> ModuleType:
    """A layer file with two functions, and their twins."""
    module = ModuleType("toy_layer")
    exec(
        "def forward(x, *, out=None):\n"
        "    'What it computes.'\n"
        "    return 'reference'\n"
        "def lookup(ids, parameters):\n"
        "    return 'reference'\n"
        "def alone(x):\n"
        "    return 'reference'\n",
        module.__dict__,
    )
    give_way(module)
    twin_of(module.forward)(lambda x, *, out=None: "twin")
    twin_of(module.lookup)(lambda ids, parameters: "twin")
    return module


def test_the_type_of_the_array_decides(layer):
    x = np.ones(2)
    assert layer.forward(x) == "reference"
    assert layer.forward(strict_gpu.asarray(x)) == "twin"
    assert layer.forward(x=strict_gpu.asarray(x), out=None) == "twin"


def test_complex_numbers_stay_on_the_reference(layer):
    assert layer.forward(strict_gpu.asarray(np.ones(2, dtype=complex))) == "reference"


def test_ids_do_not_decide(layer):
    ids, weight = strict_gpu.asarray(np.arange(2)), strict_gpu.asarray(np.ones(2))
    assert layer.lookup(ids, Parameters(weight)) == "twin"
    assert layer.lookup(np.arange(2), Parameters(weight)) == "twin"
    assert layer.lookup(ids, parameters=Parameters(weight.astype(complex))) == "reference"


def test_a_function_without_a_twin_runs_as_it_is(layer):
    assert layer.alone(strict_gpu.ones(2)) == "reference"


def test_the_textbook_stays_callable(layer):
    assert textbook(layer.forward)(strict_gpu.ones(2)) == "reference"
    assert layer.forward.__doc__ == "What it computes."
    assert inspect.getsourcefile(inspect.unwrap(linear.linear_forward)) == linear.__file__


def test_a_forward_and_its_backward_have_twins_as_a_pair():
    twins = {function.__name__ for function in registered()}
    assert "layer_norm_forward" in twins
    lonely = {"matmul", "output_loss", "output_loss_and_gradients", "output_projection"}
    lonely |= {"input_embedding_forward", "causal_mask"}
    lonely |= {"forward", "lookup"}  # of the toy layer above
    for name in twins - lonely:
        stem, _, way = name.rpartition("_")
        assert {f"{stem}_forward", f"{stem}_backward"} <= twins, way


def test_twins_take_what_their_layers_take():
    for function, twin in registered().items():
        if function.__module__.startswith("numpy_transformer"):
            assert list(inspect.signature(twin).parameters) == list(inspect.signature(function).parameters), function


def test_the_layer_file_does_not_know():
    assert "twin" not in inspect.getsource(layer_norm)
