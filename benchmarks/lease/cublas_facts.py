"""The facts that decide how the GPU path is built next: what cuBLAS does with each precision, and what a launch costs.

    python benchmarks/lease/cublas_facts.py --json cublas.json

- Products of a base step in float32, tf32, "bfloat16" (float32 operands that cuBLAS may round) and with operands stored
  in 16 bits: TFLOP/s, and the name of the kernel that cuBLAS chose, which tells whether tensor cores were used.
- Attention's small products, which its kernels do without cuBLAS: head by head, and as one even batch.
- What the host pays for a launch: a kernel of ours, a product, an addition of CuPy, an allocation.
- The bandwidth of a copy, and whether CUDA's own asynchronous pool works.
"""

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from gpu_clock import Clock, launches
from recorder import Recorder

from numpy_transformer.backend.arrays import device_module
from numpy_transformer.backend.kernels.bias import add_bias
from numpy_transformer.backend.precision import PRECISIONS, precision
from numpy_transformer.errors import InputError
from numpy_transformer.layers.arithmetic import matmul
from numpy_transformer.models.config import TransformerConfig

STORED_16 = ("bfloat16 to float32", "bfloat16 to bfloat16")  # operands stored in 16 bits, and the product's dtype


def main() -> None:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--preset", default="base", help="size of the model")
    parser.add_argument("--vocabulary", type=int, default=37000)
    parser.add_argument("--tokens", type=int, default=25000, help="target tokens of a batch")
    parser.add_argument("--length", type=int, default=25, help="tokens of a sentence")
    parser.add_argument("--json", type=Path, help="write the facts to this file")
    options = parser.parse_args()
    record = Recorder(options.json)
    try:
        xp = device_module("gpu")
    except InputError as error:
        sys.exit(str(error))
    config = TransformerConfig.preset(options.preset, vocabulary_size=options.vocabulary)
    clock = Clock(xp, busy=min(4096, 8 * config.d_model), cold=1 << 20)
    for name, (M, K, N) in products(config, options.tokens).items():
        for kind in (*PRECISIONS, *STORED_16):
            record(f"{name}, {M} x {K} x {N}, {kind}", partial(product, xp, clock, M, K, N, kind))
    for even in (False, True):
        name = "one even batch" if even else "head by head"
        record(f"attention scores, {name}", partial(attention, xp, clock, config, options, even))
    record("host microseconds per launch", lambda: host_costs(xp, config))
    record("copy, GB/s", lambda: copy_bandwidth(xp, clock))
    record("asynchronous pool", lambda: asynchronous_pool(xp))
    record.exit()


def products(config: TransformerConfig, tokens: int) -> dict[str, tuple[int, int, int]]:
    """The large products of a step: (M, K, N) of an (M, K) by (K, N) matrix."""
    D, F, V = config.d_model, config.d_ff, config.vocabulary_size
    rows = min(tokens, max(128, (1 << 27) // V // 128 * 128))  # of logits at once
    return {
        "query, key, value": (tokens, D, 3 * D),
        "feed-forward": (tokens, D, F),
        "feed-forward back": (tokens, F, D),
        "weight gradient": (D, tokens, F),
        "logits": (rows, D, V),
        "table gradient": (V, rows, D),
    }


def product(xp: Any, clock: Clock, M: int, K: int, N: int, kind: str) -> dict[str, Any]:
    """TFLOP/s of one product, and what the profiler calls the kernel."""
    action = stored_16(xp, M, K, N, kind) if kind in STORED_16 else rounded(xp, M, K, N, kind)
    milliseconds = clock.milliseconds(action, runs=5)
    seen = launches(action, 1)
    names = [kernel["name"] for kernel in seen["longest"]] if seen else None
    return {"tflops": round(2e-9 * M * K * N / milliseconds, 1), "milliseconds": milliseconds, "kernels": names}


def rounded(xp: Any, M: int, K: int, N: int, kind: str) -> Callable[[], None]:
    """float32 in memory, in one of the trainer's precisions."""
    a, b, c = (xp.ones(shape, dtype="float32") for shape in ((M, K), (K, N), (M, N)))

    def action() -> None:
        with precision(kind):
            matmul(a, b, out=c)

    return action


def stored_16(xp: Any, M: int, K: int, N: int, kind: str) -> Callable[[], None]:
    """bfloat16 in memory, as 16-bit integers; row-major, so cuBLAS gets the factors swapped."""
    from cupy.cuda import get_cublas_handle, runtime
    from cupy_backends.cuda.libs import cublas

    one = np.uint16(0x3F80)
    a, b = xp.full((M, K), one, dtype="uint16"), xp.full((K, N), one, dtype="uint16")
    wide = kind == STORED_16[0]
    c = xp.empty((M, N), dtype="float32" if wide else "uint16")
    target = runtime.CUDA_R_32F if wide else runtime.CUDA_R_16BF
    alpha, beta = np.ones((), dtype="float32"), np.zeros((), dtype="float32")

    def action() -> None:
        first, second = (b.data.ptr, runtime.CUDA_R_16BF, N), (a.data.ptr, runtime.CUDA_R_16BF, K)
        how = cublas.CUBLAS_COMPUTE_32F, cublas.CUBLAS_GEMM_DEFAULT
        sizes = cublas.CUBLAS_OP_N, cublas.CUBLAS_OP_N, N, M, K
        factors = alpha.ctypes.data, beta.ctypes.data
        cublas.gemmEx(get_cublas_handle(), *sizes, factors[0], *first, *second, factors[1], c.data.ptr, target, N, *how)

    return action


def attention(xp: Any, clock: Clock, config: TransformerConfig, options: argparse.Namespace, even: bool) -> float:
    """Milliseconds of the scores of all heads: heads inside (B, T, 3D), or each on its own."""
    B, T, H, K = options.tokens // options.length, options.length, config.heads, config.d_model // config.heads
    if even:
        query, key = (xp.ones((B, H, T, K), dtype="float32") for _ in range(2))
    else:
        projected = xp.ones((B, T, 3, H, K), dtype="float32")
        query, key = (projected[:, :, i].swapaxes(1, 2) for i in range(2))
    scores = xp.empty((B, H, T, T), dtype="float32")
    return clock.milliseconds(lambda: matmul(query, key.swapaxes(-1, -2), out=scores))


def host_costs(xp: Any, config: TransformerConfig, count: int = 200) -> dict[str, float]:
    """Microseconds that the host spends on each of `count` launches; the card is done long before."""
    D = config.d_model
    x, row, weight = (xp.ones(shape, dtype="float32") for shape in ((8, D), (D,), (D, D)))
    y = xp.empty((8, D), dtype="float32")
    actions: dict[str, Callable[[], object]] = {
        "a kernel of ours": lambda: add_bias(x, row),
        "a product": lambda: matmul(x, weight, out=y),
        "an addition of CuPy": lambda: xp.add(x, row, out=y),
        "an allocation": lambda: xp.empty((8, D), dtype="float32"),
    }
    found = {}
    for name, action in actions.items():
        action()
        xp.cuda.Device().synchronize()
        start = time.perf_counter()
        for _ in range(count):
            action()
        found[name] = round(1e6 * (time.perf_counter() - start) / count, 2)
        xp.cuda.Device().synchronize()
    return found


def copy_bandwidth(xp: Any, clock: Clock, count: int = 1 << 26) -> float:
    """Bytes read and written by a copy of 256 MB, per second."""
    source, target = xp.ones((count,), dtype="float32"), xp.empty((count,), dtype="float32")
    return round(8e-6 * count / clock.milliseconds(lambda: xp.copyto(target, source)))


def asynchronous_pool(xp: Any) -> str:
    """Whether cudaMallocAsync gives memory; the default pool stays as it is."""
    if not hasattr(xp.cuda, "MemoryAsyncPool"):
        return "not there"
    pool = xp.cuda.MemoryAsyncPool()
    with xp.cuda.using_allocator(pool.malloc):
        xp.ones((1 << 20,), dtype="float32")
    return "works"


if __name__ == "__main__":
    main()
