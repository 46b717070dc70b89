"""The CUDA kernels without a GPU: they compile, and executed on the CPU they do what their NumPy twins do."""

import ctypes
import re
import shutil
from contextlib import nullcontext
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import emulated_cuda
import numpy as np
import pytest
import strict_gpu
from emulated_cuda import run_emulated, signatures
from hypothesis import given, settings
from hypothesis import strategies as st
from on_card import card, run_on_card

from numpy_transformer.backend.arrays import to_host
from numpy_transformer.backend.kernels import launcher
from numpy_transformer.backend.kernels.structs import Struct, StructType
from numpy_transformer.errors import InputError
from numpy_transformer.layers import layer_norm, softmax

FILES = sorted(path.stem for path in launcher.FOLDER.glob("*.cu"))
ARCHITECTURES = ["sm_75", "sm_80", "sm_90", "sm_120"]
OPTIONS_OF_CUPY = ("-ftz=true", "--device-as-default-execution-space")  # it adds them to ours
TOLERANCE = {"float64": 1e-12, "float32": 2e-5}

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


# --- Compilation ---


def nvrtc():
    """NVIDIA's run-time compiler, from its wheel; it needs no driver."""
    names = ("nvidia.cu13", "nvidia.cuda_nvrtc") if find_spec("nvidia") else ()  # where CUDA 13 and 12 put it
    folders = [place for spec in map(find_spec, names) if spec for place in spec.submodule_search_locations or ()]
    libraries = [path for folder in folders for path in Path(folder).glob("lib/libnvrtc.so*")]
    if not libraries:
        pytest.skip("NVRTC is not installed: pip install nvidia-cuda-nvrtc-cu12 (or nvidia-cuda-nvrtc)")
    for builtins in libraries[0].parent.glob("libnvrtc-builtins.so*"):  # CUDA 13's is looked for by name only
        ctypes.CDLL(str(builtins), mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(str(libraries[0]))


def compiled(architecture: str, text: str, options: tuple[str, ...], what: str = "PTX") -> tuple[str, bytes]:
    """NVRTC's log, which is empty if it compiles without a warning, and the assembly (PTX) or the program (CUBIN)."""
    library, program = nvrtc(), ctypes.c_void_p()
    assert library.nvrtcCreateProgram(ctypes.byref(program), text.encode(), b"kernel.cu", 0, None, None) == 0
    told = [f"-arch={architecture}".encode(), *(option.encode() for option in (*OPTIONS_OF_CUPY, *options))]
    failed = library.nvrtcCompileProgram(program, len(told), (ctypes.c_char_p * len(told))(*told))

    def get(what: str) -> bytes:
        size = ctypes.c_size_t()
        getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
        content = ctypes.create_string_buffer(size.value)
        getattr(library, f"nvrtcGet{what}")(program, content)
        return content.raw

    log = get("ProgramLog").rstrip(b"\0").decode() + ("failed" if failed else "")
    result = log, b"" if failed else get(what)
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return result


def compile_for(architecture: str, text: str, options: tuple[str, ...]) -> str:
    """NVRTC's complaints, including warnings; empty if it compiles."""
    return compiled(architecture, text, options)[0]


def assembly(architecture: str, text: str, options: tuple[str, ...]) -> str:
    """What NVRTC makes of it, for a virtual architecture (compute_90)."""
    log, ptx = compiled(architecture, text, options)
    assert log == ""
    return ptx.decode()


@pytest.mark.parametrize("dtype", launcher.C_NAMES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("file", FILES)
def test_every_kernel_compiles(file, architecture, dtype):
    assert signatures(file)
    assert compile_for(architecture, launcher.source(file), launcher.options(dtype)) == ""


# These add up over all blocks, or compute a step's few factors, in float64 on purpose.
IN_FLOAT64 = {"squares", "adam_scalars"}


@pytest.mark.parametrize("file", FILES)
def test_float_kernels_do_not_compute_in_float64(file):
    """Cards compute float64 at a fraction of the speed, and a constant without its cast is enough: 0.5 * x widens x."""
    text = assembly("compute_90", launcher.source(file), launcher.options("f"))
    entries = [entry.partition(".func")[0] for entry in text.split(".entry ")[1:]]
    widening = {entry.partition("(")[0] for entry in entries if re.search(r"cvt(\.ftz)?\.f64\.f32", entry)}
    assert entries
    assert widening <= IN_FLOAT64


# A sum over a row of any length, whose end is a 64-bit number.
IN_64_BITS = {"cross_entropy_in_place"}


@pytest.mark.parametrize("file", FILES)
def test_kernels_do_not_divide_in_64_bits(file):
    """A card has no instruction for it: each is some hundred others. Also to count the rounds of a loop."""
    text = assembly("compute_90", launcher.source(file), launcher.options("f"))
    dividing = {
        entry.partition("(")[0] for entry in text.split(".entry ")[1:] if re.search(r"\b(div|rem)\.[su]64", entry)
    }
    assert dividing <= IN_64_BITS


def test_the_compiler_is_heard():
    assert "undefined" in compile_for(
        "sm_90", launcher.source("softmax") + "\nint f() { return g; }", ("-DREAL=float",)
    )


def test_a_kernel_that_cannot_be_compiled_is_one_clear_line():
    class WithoutHeaders:
        @staticmethod
        def RawModule(code, options):  # noqa: N802  (CuPy's name)
            raise RuntimeError("cannot open cuda_fp16.h\nand more")

    with (
        patch.object(launcher, "array_module", lambda _: WithoutHeaders),
        pytest.raises(InputError, match=r"residual\.cu cannot be compiled \(cannot open cuda_fp16\.h\); install"),
    ):
        launcher.Kernel("residual", "residual_forward").launch(np.ones(1), (1,), 32)


class FailingCard:
    """CuPy on a card where every kernel fails, which is noticed by whoever waits for it."""

    @staticmethod
    def RawModule(code, options):  # noqa: N802  (CuPy's name)
        return SimpleNamespace(get_function=lambda name: lambda *launch, shared_mem: None)

    class cuda:  # noqa: N801
        @staticmethod
        def get_current_stream():
            def synchronize():
                raise OSError("an illegal memory access was encountered")

            return SimpleNamespace(synchronize=synchronize)


def test_the_debug_switch_names_the_kernel_that_failed(monkeypatch, capsys):
    kernel, x = launcher.Kernel("residual", "residual_forward"), np.ones(1, dtype="float32")
    monkeypatch.setattr(launcher, "array_module", lambda _: FailingCard)
    kernel.launch(x, (3,), 32)  # nobody waits
    monkeypatch.setenv(launcher.DEBUG, "1")
    with pytest.raises(RuntimeError, match=r"residual_forward of residual\.cu, grid \(3,\), block 32: an illegal"):
        kernel.launch(x, (3,), 32)


def test_the_debug_switch_prints_the_whole_log_of_the_compiler(monkeypatch, capsys):
    def fail(code, options):
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(launcher, "array_module", lambda _: SimpleNamespaceModule(RawModule=fail))
    for told in ("", "first line\nsecond line\n"):
        with pytest.raises(InputError, match=r"\(first line\); install") as caught:
            launcher.Kernel("bias", "add_bias").launch(np.ones(1), (1,), 32)
        assert "second line" in str(caught.value.__cause__)
        assert capsys.readouterr().err == told
        monkeypatch.setenv(launcher.DEBUG, "1")


class SimpleNamespaceModule(SimpleNamespace):
    """A namespace that can be a key, as a module can."""

    __hash__ = object.__hash__


def test_what_a_card_is_given():
    """The launch as CuPy sees it: a null pointer is a number, and numbers have the kernel's types."""
    launches = []

    class Recorder:
        @staticmethod
        def RawModule(code, options):  # noqa: N802  (CuPy's name)
            functions = SimpleNamespace(
                get_function=lambda name: lambda *launch, shared_mem: launches.append((name, *launch))
            )
            assert launcher.C_NAMES["f"] in options[-1]
            return functions

    x = np.ones(3, dtype="float32")
    with patch.object(launcher, "array_module", lambda _: Recorder):
        kernel = launcher.Kernel("residual", "residual_forward")
        kernel.launch(x, (2, 3), 64, x, None, 5, 0.5)
        kernel.launch(x, (0, 3), 64, x, None, 5, 0.5)  # nothing to do
    [(name, grid, block, arguments)] = launches
    assert (name, grid, block) == ("residual_forward", (2, 3), (64,))
    assert arguments[0] is x
    assert [(type(number), number) for number in arguments[1:]] == [(np.int64, 0), (np.int64, 5), (np.float64, 0.5)]


def test_numbers_that_belong_together_reach_a_card_as_one_array_of_one_element():
    inner = StructType("Inner", a="i4", b="i8")
    outer = StructType("Outer", scale="real", one=inner, at="pointer", some=(inner, 3))
    array = strict_gpu.ones(2, dtype="float32")
    packed = launcher._c(outer(0.5, inner(1, 2), array, [inner(3, 4)]), "f")
    assert isinstance(packed, np.ndarray)
    assert packed.size == 1
    assert packed.dtype.itemsize == 4 + 4 + 16 + 8 + 3 * 16  # with the gaps that C leaves
    assert packed["scale"].dtype == np.float32
    assert packed.tolist()[:3] == (0.5, (1, 2), array.data.ptr)
    assert packed["some"].tolist() == [(3, 4), (0, 0), (0, 0)]
    constant = inner(1, 2)
    assert launcher._c(constant, "f") is launcher._c(constant, "f")  # packed once


@pytest.mark.parametrize("shared", [0, 48 * 1024, 48 * 1024 + 4])
def test_a_card_is_asked_for_more_shared_memory_than_it_gives_unasked(shared, monkeypatch):
    function = Function()
    xp = SimpleNamespaceModule(RawModule=lambda code, options: SimpleNamespace(get_function=lambda name: function))
    monkeypatch.setattr(launcher, "array_module", lambda _: xp)
    launcher.Kernel("residual", "residual_forward").launch(np.ones(1, dtype="float32"), (2,), 32, shared=shared)
    assert function.launches == [((2,), (32,), (), shared)]
    assert function.max_dynamic_shared_size_bytes == (shared if shared > 48 * 1024 else None)


class Function:
    """A kernel as CuPy gives it, which notes its launches."""

    max_dynamic_shared_size_bytes: int | None = None

    def __init__(self):
        self.launches = []

    def __call__(self, grid, block, args, *, shared_mem):
        self.launches.append((grid, block, args, shared_mem))


# --- Execution: NumPy twins on the stand-in, the CUDA source emulated, and on a card if there is one ---


@pytest.fixture(
    params=["twin", pytest.param("emulated", marks=needs_compiler), pytest.param("card", marks=pytest.mark.gpu)]
)
def executed(request, monkeypatch):
    """How a launch is carried out."""
    if request.param == "emulated":
        carry_out(monkeypatch, run_emulated)
    elif request.param == "card":
        carry_out(monkeypatch, partial(run_on_card, card(), launcher.Kernel.launch))


def on_host(argument):
    return argument._host if isinstance(argument, strict_gpu.ndarray) else argument


def carry_out(monkeypatch, run):
    """Launches of the stand-in become run(kernel, dtype, grid, block, arguments, shared), with NumPy arrays."""

    def launch(kernel, like, grid, block, *arguments, shared=0):
        if 0 not in grid:
            host = tuple(a.mapped(on_host) if isinstance(a, Struct) else on_host(a) for a in arguments)
            with strict_gpu.counted():  # the journeys of a test are not the layer's
                run(kernel, like.dtype.char, grid, block, host, shared)

    monkeypatch.setattr(launcher.Kernel, "launch", launch)


COMMON = (launcher.FOLDER / "common.cuh").read_text(encoding="utf-8")
BARRIER = "__syncthreads();"
USING_SHARED_MEMORY_AGAIN = """
extern "C" __global__ void reductions(const real *x, real *y) {
    __shared__ real scratch[32];
    const real total = block_sum(x[threadIdx.x], scratch), largest = block_max(x[threadIdx.x], scratch);
    y[threadIdx.x] = total + largest + block_sum(y[threadIdx.x], scratch);
}
"""


def without_barrier(text, number):
    """The source without one of its barriers; all of it for None."""
    parts = text.split(BARRIER)
    if number is not None:
        parts[number : number + 2] = ["".join(parts[number : number + 2])]
    return BARRIER.join(parts)


def instead_of_the_source(monkeypatch, file, text):
    """Emulate this source where the file is requested."""
    monkeypatch.setattr(emulated_cuda, "source", lambda name: text if name == file else launcher.source(name))
    monkeypatch.setattr(emulated_cuda, "compiled", cache(emulated_cuda.compiled.__wrapped__))


@needs_compiler
@pytest.mark.parametrize("missing", [None, *range(COMMON.count(BARRIER))])
def test_a_missing_barrier_is_noticed(missing, monkeypatch):
    instead_of_the_source(monkeypatch, "any", without_barrier(COMMON, missing) + USING_SHARED_MEMORY_AGAIN)
    x, y = numbers((2, 128), "float64", seed=0)
    expected = x.sum() + x.max() + y.sum()
    noticed = pytest.raises(AssertionError, match="reductions: array 2 depends on the order of the threads")
    with nullcontext() if missing is None else noticed:
        run_emulated(launcher.Kernel("any", "reductions"), "d", (1,), 128, (x, y))
        np.testing.assert_allclose(y, expected, rtol=1e-12)


SHAPES = [(1, 1), (3, 7), (2, 3, 5), (5, 33), (2, 129), (300, 6), (2, 1000), (1, 8200), (0, 4), (257, 130)]


def numbers(shape, dtype, seed):
    return np.random.default_rng(seed).normal(0.3, 2, shape).astype(dtype)


def assert_near(found, expected, dtype):
    assert found.dtype == expected.dtype == dtype
    scale = max(1.0, abs(expected).max(initial=0))
    np.testing.assert_allclose(to_host(found), expected, rtol=0, atol=TOLERANCE[dtype] * scale)


def layer_norm_pair(x, dy, gain, bias, xp):
    x, dy, gain, bias = map(xp.asarray, (x, dy, gain, bias))
    parameters = layer_norm.LayerNormParameters(gain, bias)
    gradients = layer_norm.LayerNormParameters(xp.empty_like(gain), xp.empty_like(bias))
    y, cache = layer_norm.layer_norm_forward(x, parameters)
    dx = layer_norm.layer_norm_backward(dy, cache, parameters, gradients)
    return [y, *cache, dx, *gradients]


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm(shape, dtype):
    arrays = [numbers(s, dtype, seed) for seed, s in enumerate((shape, shape, shape[-1:], shape[-1:]))]
    once, twice = (layer_norm_pair(*arrays, strict_gpu) for _ in range(2))
    for expected, found, again in zip(layer_norm_pair(*arrays, np), once, twice, strict=True):
        assert_near(found, expected, dtype)
        assert to_host(found).tobytes() == to_host(again).tobytes()


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax(shape, masked, dtype):
    x, dy = numbers(shape, dtype, 0), numbers(shape, dtype, 1)
    mask = None
    if masked:
        mask = np.random.default_rng(2).random(shape[-2:]) < 0.6
        mask[..., :1, :] = False  # a whole row
    y, cache = softmax.softmax_forward(x, mask=mask)
    in_place, on_gpu = strict_gpu.asarray(x), None if mask is None else strict_gpu.asarray(mask)
    found, found_cache = softmax.softmax_forward(in_place, mask=on_gpu, out=in_place)
    assert found is in_place
    assert_near(found, y, dtype)
    assert_near(softmax.softmax_forward(strict_gpu.asarray(x), mask=on_gpu)[0], y, dtype)
    dx = softmax.softmax_backward(strict_gpu.asarray(dy), found_cache)
    assert_near(dx, softmax.softmax_backward(dy, cache), dtype)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_twins_are_the_reference(shape, seed):
    arrays = [numbers(s, "float64", seed + n) for n, s in enumerate((shape, shape, shape[-1:], shape[-1:]))]
    x, dy, *_ = arrays
    pairs = list(zip(layer_norm_pair(*arrays, np), layer_norm_pair(*arrays, strict_gpu), strict=True))
    turned, dturned = strict_gpu.asarray(x).swapaxes(0, -1), strict_gpu.asarray(dy).swapaxes(0, -1)
    y, cache = softmax.softmax_forward(x.swapaxes(0, -1))
    out, found_cache = softmax.softmax_forward(turned, out=turned)  # strided
    pairs.append((y, out))
    pairs.append((softmax.softmax_backward(dy.swapaxes(0, -1), cache), softmax.softmax_backward(dturned, found_cache)))
    for expected, found in pairs:
        assert_near(found, expected, "float64")
