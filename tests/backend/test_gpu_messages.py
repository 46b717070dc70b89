"""Each piece that a GPU run may lack has its own message, which names the remedy."""

import re
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import strict_gpu
from test_gpu_path import CONFIG, Run, make_batches

from numpy_transformer import program
from numpy_transformer.backend import cupy_advice
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


class Importer:
    """Python's search for modules, in which importing CuPy fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def find_spec(self, name, path=None, target=None):
        if name == "cupy":
            raise self.error


def failed_import(cause: str) -> ImportError:
    """As CuPy reports it: a page of advice, with the cause behind it."""
    error = ImportError("\n=====\nFailed to import CuPy.\n\nIf you installed CuPy via wheels ...\n")
    error.__cause__ = ImportError(f"{cause}\nmore")
    return error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (failed_import("libcudart.so.13: cannot open"), r"\(libcudart.so.13: cannot open\)"),
        (AttributeError("module 'numpy' has no attribute 'x'"), r"\(module 'numpy' has no attribute 'x'\)"),
        (RuntimeError(), r"\(RuntimeError\)"),
        (OSError("no\nlibrary"), r"\(no\)"),
        (SystemError("\n \nbad call\n"), r"\(bad call\)"),
    ],
)
def test_any_failure_of_the_import_is_one_line(error, reason, monkeypatch):
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Importer(error), *sys.meta_path])
    with pytest.raises(InputError, match=f"needs CuPy, which cannot be imported {reason}; install") as caught:
        device_module("gpu")
    assert "\n" not in str(caught.value)


def test_a_module_of_another_kind_is_not_cupy(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace())  # such as a folder of that name
    with pytest.raises(InputError, match=r"needs CuPy, which cannot be imported \(.*attribute 'cuda'\); install"):
        device_module("gpu")


CLONE, PIP = "pip install -r requirements-gpu.txt", 'pip install "numpy-transformer[gpu]"'
WHEEL_13 = 'pip install "cupy-cuda13x[ctk]>=14.0"'


@pytest.mark.parametrize(
    ("driver", "there", "by_pip", "advice"),
    [
        (None, [], False, f"install it with: {CLONE}"),
        (None, [], True, f"install it with: {PIP}"),
        ((12, 4), [], True, f"the driver is for CUDA 12.4: install it with: {PIP}"),
        ((13, 0), [], True, f"the driver is for CUDA 13.0: install it with: {WHEEL_13}"),
        (
            (13, 1),
            ["cupy-cuda12x"],
            False,
            "the driver is for CUDA 13.1: exchange the installed CuPy with: "
            f"pip uninstall cupy-cuda12x, then: {WHEEL_13}",
        ),
        (
            (12, 0),
            ["cupy-cuda12x", "cupy-cuda13x"],
            False,
            "the driver is for CUDA 12.0: exchange the installed CuPy with: "
            f"pip uninstall cupy-cuda12x cupy-cuda13x, then: {CLONE}",
        ),
    ],
)
def test_the_advice_names_what_is_really_there(driver, there, by_pip, advice, monkeypatch, tmp_path):
    monkeypatch.setattr(cupy_advice, "driver_cuda", lambda: driver and cupy_advice.Cuda(*driver))
    monkeypatch.setattr(cupy_advice, "installed_cupy", lambda: there)
    if by_pip:
        monkeypatch.setattr(program, "ROOT", tmp_path)  # site-packages: no requirements files there
    assert cupy_advice.how_to_install() == advice


@pytest.mark.parametrize(
    ("driver", "there", "remedy"),
    [
        (None, ["cupy-cuda12x"], "the NVIDIA driver is missing or too old: install a driver for CUDA 12 or newer"),
        ((11, 8), ["cupy-cuda12x"], "the NVIDIA driver is for CUDA 11.8: install a driver for CUDA 12 or newer"),
        ((12, 2), ["cupy-cuda13x"], f"for a newer driver; .*pip uninstall cupy-cuda13x, then: {CLONE}"),
    ],
)
def test_a_driver_that_is_too_old(driver, there, remedy, monkeypatch):
    monkeypatch.setattr(cupy_advice, "driver_cuda", lambda: driver and cupy_advice.Cuda(*driver))
    monkeypatch.setattr(cupy_advice, "installed_cupy", lambda: there)
    monkeypatch.setitem(sys.modules, "cupy", cupy(error="cudaErrorInsufficientDriver"))
    with pytest.raises(InputError, match=remedy):
        device_module("gpu")


@pytest.mark.parametrize(
    ("there", "advice"),
    [(["cupy-cuda13x"], r'pip install "cupy-cuda13x\[ctk\]"'), (["cupy"], "pip uninstall cupy, then")],
)
def test_missing_libraries_are_added_to_the_cupy_that_is_there(there, advice, monkeypatch):
    monkeypatch.setattr(cupy_advice, "installed_cupy", lambda: there)
    monkeypatch.setitem(sys.modules, "cupy", cupy(works=RuntimeError("Failed to find CUDA headers")))
    with pytest.raises(InputError, match=advice):
        device_module("gpu")


def test_installed_cupys_are_found(monkeypatch):
    names = ["numpy", "CuPy", "cupy-cuda12x", "cupy-rocm-5-0", "cupy-xarray", "mycupy"]
    found = [SimpleNamespace(metadata={"Name": name}) for name in names]
    monkeypatch.setattr(cupy_advice.importlib.metadata, "distributions", lambda: found)
    assert cupy_advice.installed_cupy() == ["cupy", "cupy-cuda12x", "cupy-rocm-5-0"]


class Library:
    """A driver's library that answers with a version, or with an error."""

    def __init__(self, version: int, status: int = 0) -> None:
        self.version, self.status = version, status

    def cuDriverGetVersion(self, number) -> int:  # noqa: N802 (NVIDIA's name)
        number._obj.value = self.version
        return self.status


@pytest.mark.parametrize(
    ("library", "cuda"),
    [(Library(13000), "CUDA 13.0"), (Library(12080), "CUDA 12.8"), (Library(0), None), (Library(0, 100), None)],
)
def test_the_driver_says_its_cuda(library, cuda, monkeypatch):
    monkeypatch.setattr(cupy_advice.ctypes, "CDLL", lambda name: library)
    found = cupy_advice.driver_cuda()
    assert (found and str(found)) == cuda


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
