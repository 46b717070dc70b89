"""The arguments that reach cuBLAS describe the right product, for every layout that the layers use."""

import ctypes
import math
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import strict_gpu
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.backend.arrays import to_host
from numpy_transformer.backend.kernels import arithmetic as kernels_matmul
from numpy_transformer.backend.precision import PRECISIONS, check_precision, precision
from numpy_transformer.errors import InputError
from numpy_transformer.layers.arithmetic import matmul
from numpy_transformer.models.transformer import Transformer

sizes = st.integers(1, 6)


@st.composite
def matrices(draw, leading: tuple[int, ...], rows: int, columns: int):
    """A stack on the card: contiguous, transposed, some columns of a wider one, or with its leading axes swapped."""
    seed = draw(st.integers(0, 2**32 - 1))
    kind = draw(st.sampled_from(["contiguous", "transposed", "wider", "heads"]))
    if kind == "transposed":
        shape = (*leading, columns, rows)
    elif kind == "wider":
        shape = (*leading, rows, columns + draw(sizes))
    elif kind == "heads" and len(leading) == 2:  # (B, T, H, K) seen as (B, H, T, K)
        shape = (leading[0], rows, leading[1], columns)
    else:
        shape = (*leading, rows, columns)
    x = strict_gpu.asarray(np.random.default_rng(seed).standard_normal(shape))
    if kind == "transposed":
        return x.swapaxes(-1, -2)
    if kind == "heads" and len(leading) == 2:
        return x.swapaxes(1, 2)
    return x[..., :columns]


@given(st.data(), st.lists(sizes, min_size=0, max_size=2).map(tuple), sizes, sizes, sizes, st.booleans())
def test_any_layout(data, leading, M, K, N, into_a_view):
    a, b = data.draw(matrices(leading, M, K)), data.draw(matrices(leading, K, N))
    out = data.draw(matrices(leading, M, N)) if into_a_view else None
    y = matmul(a, b, out=out)
    assert out is None or y is out
    np.testing.assert_allclose(to_host(y), to_host(a) @ to_host(b), rtol=0, atol=1e-13)


def test_the_layouts_of_attention_cost_no_copy(monkeypatch):
    B, H, T, S, K = 3, 2, 4, 5, 6
    rng = np.random.default_rng(0)
    projected = strict_gpu.asarray(rng.standard_normal((B, S, 3, H, K)))
    query, key, value = (projected[:, :, part].swapaxes(1, 2) for part in range(3))
    monkeypatch.delitem(strict_gpu.METHODS, "copy")  # a copy would now be an AttributeError
    weights = matmul(query[:, :, :T], key.swapaxes(-1, -2))
    joined = strict_gpu.empty((B, T, H, K))
    matmul(weights, value, out=joined.swapaxes(1, 2))
    expected = (to_host(query[:, :, :T]) @ to_host(key).swapaxes(-1, -2)) @ to_host(value)
    np.testing.assert_allclose(to_host(joined).swapaxes(1, 2), expected, rtol=1e-12)


def read(pointer: int, dtype: str, shape: tuple[int, ...], distances: tuple[int, ...]) -> np.ndarray:
    """Memory at an address, as an array."""
    kind = np.dtype(dtype)
    reach = kind.itemsize * (1 + sum((n - 1) * d for n, d in zip(shape, distances, strict=True)))
    flat = np.frombuffer((ctypes.c_char * reach).from_address(pointer), dtype=kind)
    return np.lib.stride_tricks.as_strided(flat, shape, [d * kind.itemsize for d in distances])


class Cublas:
    """cuBLAS as CuPy wraps it: the same names and order of arguments. It reads memory by address, in columns."""

    CUBLAS_OP_N, CUBLAS_OP_T, CUBLAS_GEMM_DEFAULT = 0, 1, -1
    CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_COMPUTE_32F_FAST_16BF, CUBLAS_COMPUTE_64F = 68, 77, 75, 70

    def __init__(self) -> None:
        self.computations: list[int] = []

    def gemmEx(  # noqa: N802
        self,
        handle,
        transa,
        transb,
        m,
        n,
        k,
        alpha,
        A,
        Atype,
        lda,
        B,
        Btype,
        ldb,
        beta,
        C,
        Ctype,
        ldc,
        computeType,
        algo,
    ):
        self.gemmStridedBatchedEx(
            *(handle, transa, transb, m, n, k, alpha, A, Atype, lda, 0, B, Btype, ldb, 0, beta),
            *(C, Ctype, ldc, 0, 1, computeType, algo),
        )

    def gemmStridedBatchedEx(  # noqa: N802
        self, handle, transa, transb, m, n, k, alpha, A, Atype, lda, strideA, B, Btype, ldb, strideB, beta,
        C, Ctype, ldc, strideC, batchCount, computeType, algo,
    ):  # fmt: skip
        assert handle == "handle"
        assert Atype == Btype == Ctype
        self.computations.append(computeType)
        assert (read(alpha, Atype, (), ()), read(beta, Atype, (), ())) == (1, 0)

        def columns(pointer, trans, rows, cols, ld, stride):
            if trans == self.CUBLAS_OP_T:
                return columns(pointer, self.CUBLAS_OP_N, cols, rows, ld, stride).swapaxes(1, 2)
            assert ld >= rows
            return read(pointer, Atype, (batchCount, rows, cols), (stride, 1, ld))

        product = columns(A, transa, m, k, lda, strideA) @ columns(B, transb, k, n, ldb, strideB)
        columns(C, self.CUBLAS_OP_N, m, n, ldc, strideC)[...] = product


class Addressed:
    """What a call into cuBLAS uses of an array: a dtype and an address."""

    def __init__(self, x: strict_gpu.ndarray) -> None:
        self.dtype, self.data = x.dtype, SimpleNamespace(ptr=x._host.ctypes.data)


@given(st.data(), st.lists(sizes, min_size=0, max_size=2).map(tuple), sizes, sizes, sizes)
def test_cublas_is_given_its_arguments_in_order(data, leading, M, K, N):
    cublas, runtime = Cublas(), SimpleNamespace(CUDA_R_32F="f4", CUDA_R_64F="f8")
    modules = {
        "cupy": ModuleType("cupy"),
        "cupy.cuda": SimpleNamespace(get_cublas_handle=lambda: "handle", runtime=runtime),
        "cupy_backends": ModuleType("cupy_backends"),
        "cupy_backends.cuda": ModuleType("cupy_backends.cuda"),
        "cupy_backends.cuda.libs": SimpleNamespace(cublas=cublas),
    }

    def call(a, b, c, gemm, name):
        kernels_matmul._cublas(Addressed(a), Addressed(b), Addressed(c), gemm, name)

    a, b = data.draw(matrices(leading, M, K)), data.draw(matrices(leading, K, N))
    with pytest.MonkeyPatch.context() as patch, precision("tf32"):
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
        patch.setattr(strict_gpu, "strided_batched_gemm", call)
        y = matmul(a, b)
        matmul(a.astype("float32"), b.astype("float32"))
    np.testing.assert_allclose(to_host(y), to_host(a) @ to_host(b), rtol=0, atol=1e-13)
    assert set(cublas.computations) == {Cublas.CUBLAS_COMPUTE_64F, Cublas.CUBLAS_COMPUTE_32F_FAST_TF32}


@pytest.mark.parametrize("shapes", [((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 3, 4, 0), (2, 3, 0, 5))])
def test_nothing_to_multiply(shapes):
    a, b = (strict_gpu.zeros(shape) for shape in shapes)
    y = to_host(matmul(a, b))
    assert y.shape == (*shapes[0][:-1], shapes[1][-1])
    assert not y.any()


@pytest.mark.parametrize("name", PRECISIONS)
def test_operands_are_rounded_and_sums_are_not(name):
    K = 512
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((K, K)).astype(np.float32) for _ in range(2))
    with precision(name):
        y = to_host(matmul(strict_gpu.asarray(a), strict_gpu.asarray(b)))
    error = np.abs(y - a.astype(np.float64) @ b).max()
    unit = 2.0 ** -PRECISIONS[name]
    # K products, each with two operands rounded by at most one unit, add up like a random walk; and so do the sums.
    assert error < 6 * math.sqrt(2 * K) * unit + K * 2.0**-24 * math.sqrt(K)
    if name != "float32":
        assert error > 0.1 * math.sqrt(K) * unit
    with precision(name):
        wide = to_host(matmul(strict_gpu.asarray(a.astype(np.float64)), strict_gpu.asarray(b.astype(np.float64))))
    np.testing.assert_allclose(wide, a.astype(np.float64) @ b, rtol=0, atol=1e-11)  # float64 is left alone


def test_a_precision_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="one of float32, tf32, bfloat16"):
        check_precision("fp8", np)
    with pytest.raises(InputError, match="needs --device gpu"):
        check_precision("tf32", np)

    class Card:
        class cuda:  # noqa: N801
            @staticmethod
            def Device():  # noqa: N802
                class Turing:
                    compute_capability = "75"

                return Turing

    with pytest.raises(InputError, match=r"8\.0 or newer .* has 7\.5: use --precision float32"):
        check_precision("bfloat16", Card)
    check_precision("float32", Card)
    assert Transformer.__init__.__kwdefaults__["precision"] == "float32"
