"""Microseconds that the host takes for one matrix product on a GPU, without a card: cuBLAS here does nothing.

    python benchmarks/product_overhead.py

An array here has what the wrapper asks of a CuPy array (shape, strides, dtype, an address) and nothing else. CuPy's own
part of the call is left out, so on a card a product costs the host more.
"""

import sys
from pathlib import Path
from time import perf_counter
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from numpy_transformer.layers.arithmetic import matmul

CALLS, ROUNDS = 20_000, 7


class Described:
    """An array that is only described: memory from `address` on, `strides` in bytes."""

    def __init__(self, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.shape, self.strides, self.ndim = shape, strides, len(shape)
        self.dtype, self.itemsize = np.dtype("float32"), 4
        self.data = SimpleNamespace(ptr=1 << 20)


def contiguous(*shape: int) -> Described:
    return Described(shape, np.empty(shape, dtype="float32").strides)


def pretended_card() -> ModuleType:
    """A module that is CuPy to the wrapper; its cuBLAS does nothing."""
    xp = ModuleType("pretended_card")
    constants = {
        name: number
        for number, name in enumerate(
            [
                "OP_N",
                "OP_T",
                "GEMM_DEFAULT",
                "COMPUTE_64F",
                "COMPUTE_32F",
                "COMPUTE_32F_FAST_TF32",
                "COMPUTE_32F_FAST_16BF",
            ]
        )
    }
    cublas: Any = SimpleNamespace(
        gemmEx=lambda *arguments: None,
        gemmStridedBatchedEx=lambda *arguments: None,
        **{f"CUBLAS_{name}": number for name, number in constants.items()},
    )
    runtime = SimpleNamespace(CUDA_R_32F=0, CUDA_R_64F=1)
    xp.cuda = SimpleNamespace(cublas=cublas, runtime=runtime, get_cublas_handle=lambda: 1)  # type: ignore[attr-defined]
    xp.empty = lambda shape, dtype: contiguous(*shape)  # type: ignore[attr-defined]
    sys.modules.update({"pretended_card": xp})
    Described.__module__ = "pretended_card"
    return xp


def microseconds(a: Any, b: Any, out: Any) -> float:
    """For one product; the fastest of several rounds."""
    times = []
    for _ in range(ROUNDS):
        started = perf_counter()
        for _ in range(CALLS):
            matmul(a, b, out=out)
        times.append((perf_counter() - started) / CALLS)
    return 1e6 * min(times)


def main() -> None:
    pretended_card()
    x, weight, y = contiguous(25_000, 512), contiguous(512, 1536), contiguous(25_000, 1536)
    rows = Described((1000, 8, 25, 64), (25 * 512 * 4, 64 * 4, 512 * 4, 4))
    columns = Described((1000, 8, 64, 25), (25 * 512 * 4, 64 * 4, 4, 512 * 4))
    scores = contiguous(1000, 8, 25, 25)
    print(f"a linear layer's product         {microseconds(x, weight, y):6.2f} microseconds")
    print(f"products of 8 heads, unevenly    {microseconds(rows, columns, scores):6.2f} microseconds")


if __name__ == "__main__":
    main()
