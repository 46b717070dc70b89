"""Each piece that a GPU run may lack has its own message, which names the remedy."""

import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import strict_gpu
from test_gpu_path import CONFIG, Run, make_batches

from numpy_transformer.backend.arrays import device_module
from numpy_transformer.decoding import greedy_search
from numpy_transformer.errors import InputError
from numpy_transformer.models.transformer import Transformer


class CudaError(RuntimeError):
    pass


def cupy(*, count=1, error: str | None = None, capability: str = "90", works: Exception | None = None):
    """CuPy on a machine where something is missing."""

    def device_count() -> int:
        if error:
            raise CudaError(error)
        return count

    def ones(shape, dtype):
        if works:
            raise works
        return strict_gpu.ones(shape, dtype=dtype)

    runtime = SimpleNamespace(getDeviceCount=device_count, CUDARuntimeError=CudaError)
    cuda = SimpleNamespace(runtime=runtime, Device=lambda: SimpleNamespace(compute_capability=capability))

    class Module(SimpleNamespace):
        __hash__ = object.__hash__

    return Module(cuda=cuda, zeros=strict_gpu.zeros, ones=ones)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (None, "needs CuPy.*pip install -r requirements-gpu.txt"),
        (cupy(error="cudaErrorNoDevice: no device"), "no CUDA device is visible: check nvidia-smi"),
        (cupy(error="cudaErrorInsufficientDriver"), "install a driver for CUDA 12"),
        (cupy(error="cudaErrorECCUncorrectable"), "nvidia-smi lists a healthy card"),
        (cupy(count=0), "no CUDA device"),
        (cupy(capability="70"), r"has compute capability 7\.0; 7\.5 .* is the oldest .* use --device cpu"),
        (
            cupy(works=RuntimeError("Failed to find CUDA headers\nmore")),
            r"\(Failed to find CUDA headers\); install",
        ),
        (cupy(works=ImportError("no libcublas")), r"\(no libcublas\).*pip install -r requirements-gpu.txt"),
    ],
)
def test_what_is_missing_is_said_on_one_line(module, message, monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", module)
    with pytest.raises(InputError, match=message) as caught:
        device_module("gpu")
    assert "\n" not in str(caught.value)


def test_a_card_that_works_is_taken(monkeypatch):
    module = cupy()
    monkeypatch.setitem(sys.modules, "cupy", module)
    assert device_module("gpu") is module


@pytest.mark.parametrize(("room", "message"), [(15, r"use --batch-tokens (\d+),"), (0, "not even one sentence fits")])
@pytest.mark.parametrize(
    "full",
    [
        MemoryError("Out of memory allocating 1,024 bytes"),
        RuntimeError("CUBLAS_STATUS_ALLOC_FAILED: Out of memory allocating 1,024 bytes"),
    ],
    ids=["pool", "cuBLAS"],
)
def test_a_batch_that_does_not_fit_names_one_that_does(room, message, full, monkeypatch):
    run = Run(card=True)
    original = run.model.loss_and_gradients
    before = run.state

    def limited(source, target, **options):
        if max(source.size, target[:, 1:].size) > room:
            raise full
        return original(source, target, **options)

    monkeypatch.setattr(run.model, "loss_and_gradients", limited)
    with pytest.raises(InputError, match=r"does not fit on the GPU \(.*Out of memory allocating 1,024") as caught:
        run.step(0)
    [found] = re.findall(message, str(caught.value))
    if room:
        assert 0 < int(found) <= room
    for old, new in zip(before, run.state, strict=True):
        np.testing.assert_array_equal(old, new)


def test_another_error_of_a_batch_is_not_taken_for_a_full_card(monkeypatch):
    run = Run(card=True)

    def broken(*_, **__):
        raise RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED")

    monkeypatch.setattr(run.model, "loss_and_gradients", broken)
    with pytest.raises(RuntimeError, match="EXECUTION_FAILED"):
        run.step(0)


@pytest.mark.parametrize("wrong", [-1, CONFIG.vocabulary_size])
def test_ids_out_of_range_never_reach_the_card(wrong):
    run = Run(card=True)
    [batch] = make_batches(1)
    batch.source[0, 0] = wrong
    with strict_gpu.counted() as counts, pytest.raises(InputError, match="the vocabulary has 0 to 39"):
        run.model.loss_and_gradients(batch.source, batch.target)
    assert counts.uploads == 0


@pytest.mark.parametrize("wrong", [-1, CONFIG.vocabulary_size])
def test_nor_does_a_search_take_them(wrong):
    source = np.array([[5, wrong, 2]])
    for model in (Transformer(CONFIG), Run(card=True).model):
        with strict_gpu.counted() as counts, pytest.raises(InputError, match="the vocabulary has 0 to 39"):
            greedy_search(model, source, limits=np.array([3]))
        assert counts.uploads == 0
