"""cuBLAS of the stand-in for CuPy (strict_gpu.py), with CuPy's names and order of arguments.

Like cuBLAS it is told addresses and distances, not shapes: it reads memory by address, in columns, and never sees the
arrays. It counts each call as a launch. In the precisions with fewer bits, float32 operands are rounded as they are
read, as tensor cores do.
"""

import ctypes

import numpy as np
import strict_gpu

from numpy_transformer.backend.precision import PRECISIONS

CUBLAS_OP_N, CUBLAS_OP_T, CUBLAS_GEMM_DEFAULT = 0, 1, -1
CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_COMPUTE_32F_FAST_16BF, CUBLAS_COMPUTE_64F = 68, 77, 75, 70

CUDA_R_32F, CUDA_R_64F = 0, 1  # of the runtime
DTYPES = {CUDA_R_32F: np.dtype("float32"), CUDA_R_64F: np.dtype("float64")}
ALLOWED = {  # dtype: computations that take it
    CUDA_R_32F: (CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_COMPUTE_32F_FAST_16BF),
    CUDA_R_64F: (CUBLAS_COMPUTE_64F,),
}
ROUNDING = {CUBLAS_COMPUTE_32F_FAST_TF32: "tf32", CUBLAS_COMPUTE_32F_FAST_16BF: "bfloat16"}
HANDLE = 0xCAFE

computations: list[int] = []  # the compute types of all calls


def get_cublas_handle() -> int:
    return HANDLE


def gemmEx(  # noqa: N802
    handle, transa, transb, m, n, k, alpha, A, Atype, lda, B, Btype, ldb, beta, C, Ctype, ldc, computeType, algo,
):  # fmt: skip
    gemmStridedBatchedEx(
        *(handle, transa, transb, m, n, k, alpha, A, Atype, lda, 0, B, Btype, ldb, 0, beta),
        *(C, Ctype, ldc, 0, 1, computeType, algo),
    )


def gemmStridedBatchedEx(  # noqa: N802
    handle, transa, transb, m, n, k, alpha, A, Atype, lda, strideA, B, Btype, ldb, strideB, beta,
    C, Ctype, ldc, strideC, batchCount, computeType, algo,
):  # fmt: skip
    """alpha op(A) op(B) + beta C in columns; C is not read where beta is 0."""
    strict_gpu.count_launch()
    computations.append(computeType)
    assert handle == HANDLE
    assert algo == CUBLAS_GEMM_DEFAULT
    assert Atype == Btype == Ctype
    assert computeType in ALLOWED[Atype], "cuBLAS would refuse this computation"
    dtype = DTYPES[Atype]

    def columns(pointer, trans, rows, cols, ld, stride):
        if trans == CUBLAS_OP_T:
            return columns(pointer, CUBLAS_OP_N, cols, rows, ld, stride).swapaxes(1, 2)
        assert ld >= rows, "cuBLAS would refuse this leading dimension"
        return read(pointer, dtype, (batchCount, rows, cols), (stride, 1, ld))

    factor, kept = (float(read(pointer, dtype, (), ())) for pointer in (alpha, beta))
    first = rounded(columns(A, transa, m, k, lda, strideA), computeType)
    second = rounded(columns(B, transb, k, n, ldb, strideB), computeType)
    result = columns(C, CUBLAS_OP_N, m, n, ldc, strideC)
    product = (second.swapaxes(1, 2) @ first.swapaxes(1, 2)).swapaxes(
        1, 2
    )  # as row-major products, which NumPy is fast at
    if factor != 1:
        product = dtype.type(factor) * product
    result[...] = product if kept == 0 else product + dtype.type(kept) * result


def read(pointer: int, dtype: np.dtype, shape: tuple[int, ...], distances: tuple[int, ...]) -> np.ndarray:
    """Memory at an address, as an array."""
    reach = dtype.itemsize * (1 + sum((n - 1) * d for n, d in zip(shape, distances, strict=True)))
    flat = np.frombuffer((ctypes.c_char * reach).from_address(pointer), dtype=dtype)
    return np.lib.stride_tricks.as_strided(flat, shape, [d * dtype.itemsize for d in distances])


def rounded(x: np.ndarray, computation: int) -> np.ndarray:
    """float32 with no more mantissa than the computation's operands have, rounded to nearest even."""
    if computation not in ROUNDING:
        return x
    dropped = 24 - PRECISIONS[ROUNDING[computation]]
    bits = np.ascontiguousarray(x).view(np.uint32)
    half = np.uint32((1 << (dropped - 1)) - 1) + ((bits >> np.uint32(dropped)) & np.uint32(1))
    return ((bits + half) >> np.uint32(dropped) << np.uint32(dropped)).view(np.float32)
