"""The matrix product on a GPU: cuBLAS, called so that nothing is copied and the precision is the model's.

cuBLAS thinks in columns: a matrix is a pointer, a leading dimension (the distance between columns) and a flag that says
whether to read it transposed. A row-major (R, C) array with rows `ld` apart is, to cuBLAS, the transpose of itself; so

    c = a b    becomes    c^T = b^T a^T

with the factors swapped and every flag unchanged. A transposed view, `key.swapaxes(-1, -2)`, only flips its flag; a
view of some columns of a wider matrix, such as the query inside (B, T, 3D), only has a larger leading dimension.

A batch of products takes one stride per operand. The heads of a (B, H, T, K) view are not evenly spaced over both
leading axes, so the shorter of the two is looped over here. A small model's step is bound by the host's work per
launch, so everything is computed once and the loop only adds to three addresses.

In tf32 and bfloat16, cuBLAS itself rounds the float32 operands on their way to the tensor cores and accumulates in
float32; nothing is stored in fewer bits.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.gpu_twins import twin_of
from numpy_transformer.backend.precision import current_precision
from numpy_transformer.layers import arithmetic

# The factors of alpha a b + beta c, on the host, where cuBLAS reads them.
_ONE = {"f": np.ones((), dtype="float32"), "d": np.ones((), dtype="float64")}
_ZERO = {"f": np.zeros((), dtype="float32"), "d": np.zeros((), dtype="float64")}


class Operand(NamedTuple):
    """A stack of matrices as cuBLAS describes it, in elements."""

    transposed: bool
    leading: int  # distance between the rows of the row-major matrix underneath
    stride: int  # distance between neighbours of a batch
    step: int  # distance between one batch and the next


class Gemm(NamedTuple):
    """`repeats` times `batch` products c = a b of row-major matrices, a (M, K), b (K, N), c (M, N)."""

    M: int
    N: int
    K: int
    a: Operand
    b: Operand
    c: Operand
    batch: int
    repeats: int


@twin_of(arithmetic.matmul)
def matmul(a: Array, b: Array, *, out: Array | None = None) -> Array:
    """layers/arithmetic.py on a GPU, for float32 and float64."""
    xp = array_module(a)
    if a.ndim != b.ndim or a.ndim not in (2, 3, 4) or a.shape[:-2] != b.shape[:-2] or a.dtype != b.dtype:
        return xp.matmul(a, b, out=out)
    y = xp.empty((*a.shape[:-1], b.shape[-1]), dtype=a.dtype) if out is None else out
    if 0 in y.shape:
        return y
    if a.shape[-1] == 0:
        y[...] = 0
        return y
    target = y if _layout(y) == (False, _leading(y)) else xp.empty(y.shape, dtype=y.dtype)
    a, b = _readable(a), _readable(b)
    # CuPy's array module has no such function; another may provide its own.
    getattr(xp, "strided_batched_gemm", _cublas)(a, b, target, _gemm(a, b, target), current_precision())
    if target is not y:
        y[...] = target
    return y


def _gemm(a: Array, b: Array, c: Array) -> Gemm:
    """For operands that cuBLAS can address, of two to four axes."""
    M, N = c.shape[-2:]
    batch, repeats = math.prod(a.shape[:-2]), 1
    within, between = -3, None  # the axis that a batch runs along, and the one that is looped over
    if a.ndim == 4:
        B, H = a.shape[:2]
        if any(_stride(x, 0) != H * _stride(x, 1) for x in (a, b, c)):  # else B H products lie evenly
            batch, repeats = max(B, H), min(B, H)
            within, between = (-3, -4) if B < H else (-4, -3)

    def operand(x: Array) -> Operand:
        layout = _layout(x)
        assert layout is not None  # `matmul` made it readable
        stride = _stride(x, within) if x.ndim > 2 else 0
        return Operand(*layout, stride, 0 if between is None else _stride(x, between))

    return Gemm(M, N, a.shape[-1], operand(a), operand(b), operand(c), batch, repeats)


def _stride(x: Array, axis: int) -> int:
    return x.strides[axis] // x.itemsize


def _leading(x: Array) -> int:
    return _stride(x, -2) if x.shape[-2] > 1 else x.shape[-1]


def _layout(x: Array) -> tuple[bool, int] | None:
    """(transposed, leading dimension) of the last two axes, or None if neither runs through memory without gaps."""
    R, C = x.shape[-2:]
    if (_stride(x, -1) == 1 or C == 1) and _leading(x) >= C:
        return False, _leading(x)
    across = _stride(x, -1) if C > 1 else R
    if (_stride(x, -2) == 1 or R == 1) and across >= R:
        return True, across
    return None


def _readable(x: Array) -> Array:
    return x if _layout(x) is not None else x.copy()


def _cublas(a: Array, b: Array, c: Array, gemm: Gemm, precision: str) -> None:
    """Calls of cublasGemmStridedBatchedEx, or of cublasGemmEx for single products."""
    from cupy.cuda import get_cublas_handle, runtime
    from cupy_backends.cuda.libs import cublas

    kind = a.dtype.char
    number = runtime.CUDA_R_64F if kind == "d" else runtime.CUDA_R_32F
    computation = {
        "d": cublas.CUBLAS_COMPUTE_64F,
        "float32": cublas.CUBLAS_COMPUTE_32F,
        "tf32": cublas.CUBLAS_COMPUTE_32F_FAST_TF32,
        "bfloat16": cublas.CUBLAS_COMPUTE_32F_FAST_16BF,
    }["d" if kind == "d" else precision]

    def flag(operand: Operand) -> int:
        return cublas.CUBLAS_OP_T if operand.transposed else cublas.CUBLAS_OP_N

    handle, alpha, beta = get_cublas_handle(), _ONE[kind].ctypes.data, _ZERO[kind].ctypes.data
    sizes = flag(gemm.b), flag(gemm.a), gemm.N, gemm.M, gemm.K
    how = computation, cublas.CUBLAS_GEMM_DEFAULT
    operands: tuple[tuple[Any, Operand], ...] = (b, gemm.b), (a, gemm.a), (c, gemm.c)
    places = [
        (x.data.ptr, operand.step * x.dtype.itemsize, (number, operand.leading, operand.stride))
        for x, operand in operands
    ]
    for repeat in range(gemm.repeats):
        B, A, C = ((address + repeat * step, *described) for address, step, described in places)
        if gemm.batch == 1:
            cublas.gemmEx(handle, *sizes, alpha, *B[:3], *A[:3], beta, *C[:3], *how)
        else:
            cublas.gemmStridedBatchedEx(handle, *sizes, alpha, *B, *A, beta, *C, gemm.batch, *how)
