"""The matrix product on a GPU: cuBLAS, called so that nothing is copied and the precision is the model's.

    matmul(a, b, out=c)          c <- a b
    add_product(a, b, to=c)      c <- c + a b

cuBLAS thinks in columns: a matrix is a pointer, a leading dimension (the distance between columns) and a flag that says
whether to read it transposed. A row-major (R, C) array with rows `ld` apart is, to cuBLAS, the transpose of itself; so

    c = a b    becomes    c^T = b^T a^T

with the factors swapped and every flag unchanged. A transposed view, `key.swapaxes(-1, -2)`, only flips its flag; a
view of some columns of a wider matrix, such as the query inside (B, T, 3D), only has a larger leading dimension.

A batch of products takes one stride per operand. The heads of a (B, H, T, K) view are not evenly spaced over both
leading axes, so the shorter of the two is looped over.

A small model's step is bound by the host's work per launch. So the arguments of a call, all but the addresses, are
found once for each combination of shapes, strides, dtype and precision, and kept (`_plan`).

In tf32 and bfloat16, cuBLAS itself rounds the float32 operands on their way to the tensor cores and accumulates in
float32; nothing is stored in fewer bits.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.gpu_twins import twin_of
from numpy_transformer.backend.precision import current_precision
from numpy_transformer.layers import arithmetic

# The factors of alpha a b + beta c, on the host, where cuBLAS reads them, and their addresses.
_FACTORS = {(kind, factor): np.full((), factor, dtype=kind) for kind in "fd" for factor in (0, 1)}
_ADDRESSES = {key: factor.ctypes.data for key, factor in _FACTORS.items()}
PLANS = 1 << 13  # kept at once: batches come in hundreds of shapes, a step has some twenty different products in each

Shape: TypeAlias = tuple[int, ...]
Plan: TypeAlias = Callable[[int, int, int], None]  # multiplies what stands at three addresses


class Layout(NamedTuple):
    """An array as a plan knows it, in elements; the address comes later."""

    shape: Shape
    strides: Shape

    @property
    def matrices(self) -> tuple[bool, int] | None:
        """(transposed, leading dimension) of the last two axes, or None if neither runs through memory without gaps."""
        (R, C), (down, right) = self.shape[-2:], self.strides[-2:]
        if R == 1:
            down = C
        if (right == 1 or C == 1) and down >= C:
            return False, down
        across = right if C > 1 else R
        if (down == 1 or R == 1) and across >= R:
            return True, across
        return None


@twin_of(arithmetic.matmul)
def matmul(a: Array, b: Array, *, out: Array | None = None) -> Array:
    """layers/arithmetic.py on a GPU, for float32 and float64."""
    xp = array_module(a)
    if a.ndim != b.ndim or a.ndim not in (2, 3, 4) or a.shape[:-2] != b.shape[:-2] or a.dtype != b.dtype:
        return xp.matmul(a, b, out=out)
    y = xp.empty((*a.shape[:-1], b.shape[-1]), dtype=a.dtype) if out is None else out
    _multiply(xp, a, b, y, 0)
    return y


def add_product(a: Array, b: Array, *, to: Array) -> None:
    """to (M, N) <- to + a (M, K) b (K, N). `to` is neither of the factors."""
    _multiply(array_module(a), a, b, to, 1)


def _multiply(xp: ModuleType, a: Any, b: Any, c: Any, keep: int) -> None:
    """c <- keep c + a b, with keep 0 or 1."""
    if 0 in c.shape:
        return
    plan = _plan(
        xp, a.shape, a.strides, b.shape, b.strides, c.shape, c.strides, a.dtype.char, current_precision(), keep
    )
    if plan is not None:
        plan(a.data.ptr, b.data.ptr, c.data.ptr)
    elif a.shape[-1] == 0:
        if not keep:
            c[...] = 0
    elif not _addressable(c, transposed=False):
        product = xp.empty(c.shape, dtype=c.dtype)
        _multiply(xp, a, b, product, 0)
        c[...] = c + product if keep else product
    else:
        a, b = (x if _addressable(x) else x.copy() for x in (a, b))
        _multiply(xp, a, b, c, keep)


def _addressable(x: Array, *, transposed: bool = True) -> bool:
    """Whether cuBLAS can read x where it stands; without `transposed`, whether it can write there."""
    matrices = Layout(x.shape, tuple(stride // x.itemsize for stride in x.strides)).matrices
    return matrices is not None and (transposed or not matrices[0])


@lru_cache(maxsize=PLANS)
def _plan(
    xp: ModuleType,
    a_shape: Shape,
    a_strides: Shape,
    b_shape: Shape,
    b_strides: Shape,
    c_shape: Shape,
    c_strides: Shape,
    kind: str,
    precision: str,
    keep: int,
) -> Plan | None:
    """The calls of cublasGemmEx, or of cublasGemmStridedBatchedEx, for these arrays; strides in bytes.

    None if an operand cannot be addressed, or if there is nothing to add up.
    """
    cublas, runtime, handle_of_thread = xp.cuda.cublas, xp.cuda.runtime, xp.cuda.get_cublas_handle
    size = np.dtype(kind).itemsize
    pairs = (a_shape, a_strides), (b_shape, b_strides), (c_shape, c_strides)
    A, B, C = (Layout(shape, tuple(stride // size for stride in strides)) for shape, strides in pairs)
    of_a, of_b, of_c = A.matrices, B.matrices, C.matrices
    if of_a is None or of_b is None or of_c is None or of_c[0] or a_shape[-1] == 0:
        return None
    batch, repeats = math.prod(a_shape[:-2]), 1
    within, between = -3, None  # the axis that a batch runs along, and the one that is looped over
    if len(a_shape) == 4:
        sentences, heads = a_shape[:2]
        if any(x.strides[0] != heads * x.strides[1] for x in (A, B, C)):  # else all products lie evenly
            batch, repeats = max(sentences, heads), min(sentences, heads)
            within, between = (-3, -4) if sentences < heads else (-4, -3)
    number = runtime.CUDA_R_64F if kind == "d" else runtime.CUDA_R_32F
    computation = {
        "d": cublas.CUBLAS_COMPUTE_64F,
        "float32": cublas.CUBLAS_COMPUTE_32F,
        "tf32": cublas.CUBLAS_COMPUTE_32F_FAST_TF32,
        "bfloat16": cublas.CUBLAS_COMPUTE_32F_FAST_16BF,
    }["d" if kind == "d" else precision]

    def flag(transposed: bool) -> int:
        return cublas.CUBLAS_OP_T if transposed else cublas.CUBLAS_OP_N

    sizes = flag(of_b[0]), flag(of_a[0]), c_shape[-1], c_shape[-2], a_shape[-1]
    alpha, beta = _ADDRESSES[kind, 1], _ADDRESSES[kind, keep]
    how = computation, cublas.CUBLAS_GEMM_DEFAULT
    type_and_rows = [(number, matrices[1]) for matrices in (of_a, of_b, of_c)]
    if batch == 1:
        single, (of_a, of_b, of_c) = cublas.gemmEx, type_and_rows

        def multiply(a: int, b: int, c: int) -> None:
            single(handle_of_thread(), *sizes, alpha, b, *of_b, a, *of_a, beta, c, *of_c, *how)

        return multiply

    strided, steps = cublas.gemmStridedBatchedEx, [0 if between is None else x.strides[between] for x in (A, B, C)]
    each_a, each_b, each_c = (
        (*described, x.strides[within]) for described, x in zip(type_and_rows, (A, B, C), strict=True)
    )
    distances = [tuple(size * repeat * step for step in steps) for repeat in range(repeats)]

    def multiply_all(a: int, b: int, c: int) -> None:
        handle = handle_of_thread()
        for to_a, to_b, to_c in distances:
            strided(
                *(handle, *sizes, alpha, b + to_b, *each_b, a + to_a, *each_a, beta),
                *(c + to_c, *each_c, batch, *how),
            )

    return multiply_all
