# ruff: noqa: E402  (the path must be set before the packages are imported)
"""What common NumPy expressions cost per number, on one core: a price list to reason with.

    python benchmarks/performance_functions.py

Each is timed on a float32 array of 256 x 512, which fits the second-level cache of most cores, and on one of
32,768 x 512 (64 MiB), which fits none. The fastest of several runs counts. Freed memory is kept, as in training.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where benchmarks/bpe.py is called bpe too

import time
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.machine import libraries, machine
from numpy_transformer.backend.dropout_masks import DropoutMasks
from numpy_transformer.backend.memory import keep_freed_memory

COLUMNS = 512
ROWS = (256, 32_768)
SECONDS = 0.3  # for each figure


def expressions(rows: int) -> dict[str, dict[str, Callable[[], object]]]:
    """The functions to time, by heading and by expression."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, rows, COLUMNS), dtype=np.float32)
    x64 = x.astype(np.float64)
    b, ones, each = rng.random(COLUMNS, dtype=np.float32), np.ones(COLUMNS, np.float32), np.ones(rows, np.float32)
    kept, ids = y > 0, rng.integers(0, rows, rows)
    weight = rng.random((COLUMNS, COLUMNS), dtype=np.float32)
    masks = DropoutMasks(0.1, seed=0)
    return {
        "a sum with a row": {
            "x + b": lambda: x + b,
            "np.add(x, b, out=y)": lambda: np.add(x, b, out=y),
            "x64 + b": lambda: x64 + b,
        },
        "several operations": {
            "0.5 * x + 0.5 * y": lambda: 0.5 * x + 0.5 * y,
            "np.add(x, y, out=y); y *= 0.5": lambda: np.multiply(np.add(x, y, out=y), 0.5, out=y),
        },
        "ReLU": {
            "np.where(x > 0, x, 0)": lambda: np.where(x > 0, x, 0),
            "x * (x > 0)": lambda: x * (x > 0),
            "np.maximum(x, 0)": lambda: np.maximum(x, 0),
            "x * kept (bool)": lambda: x * kept,
        },
        "the sum of each row": {
            "x.sum(axis=-1)": lambda: x.sum(axis=-1),
            'np.einsum("nd->n", x)': lambda: np.einsum("nd->n", x),
            "x @ ones": lambda: x @ ones,
        },
        "the sum of each column": {
            "x.sum(axis=0)": lambda: x.sum(axis=0),
            "ones @ x": lambda: each @ x,
        },
        "the squares of each row": {
            "(x**2).sum(axis=-1)": lambda: (x**2).sum(axis=-1),
            'np.einsum("nd,nd->n", x, x)': lambda: np.einsum("nd,nd->n", x, x),
            "x.var(axis=-1)": lambda: x.var(axis=-1),
        },
        "the maximum of each row": {"x.max(axis=-1)": lambda: x.max(axis=-1)},
        "exponentials": {
            "np.exp(x)": lambda: np.exp(x),
            "np.exp(x64)": lambda: np.exp(x64),
            "np.tanh(x)": lambda: np.tanh(x),
        },
        "rows by index": {
            "x[ids]": lambda: x[ids],
            "np.add.at(y, ids, x)": lambda: np.add.at(y, ids, x),
        },
        "random masks": {
            "rng.random(shape) > 0.1": lambda: rng.random(x.shape) > 0.1,
            "DropoutMasks: 16 bits each": lambda: masks.next_mask(x.shape),
        },
        "matrix product, 512 multiply-adds": {
            "x @ weight": lambda: x @ weight,
            "x @ weight.T": lambda: x @ weight.T,
            "[row @ weight for row in x]": lambda: [row @ weight for row in x],
        },
    }


def main() -> None:
    keep_freed_memory()
    host = machine()
    print(f"{host['cpu']}, {host['cpus']} CPUs, load {host['load']}; {host['system']}; Python {host['python']}")
    with threadpool_limits(limits=1, user_api="blas"):
        print(
            f"numpy {libraries()['numpy']}\n\n{'ns a number':44}" + "".join(f"{f'{n:,} x {COLUMNS}':>14}" for n in ROWS)
        )
        small, large = (expressions(rows) for rows in ROWS)
        for heading, ways in small.items():
            print(heading)
            for name, action in ways.items():
                prices = [nanoseconds(action, ROWS[0]), nanoseconds(large[heading][name], ROWS[1])]
                print(f"    {name:40}" + "".join(f"{price:14.2f}" for price in prices))


def nanoseconds(action: Callable[[], object], rows: int) -> float:
    """Nanoseconds per number of the array; the fastest of at least three runs."""
    times: list[float] = []
    while len(times) < 4 or sum(times) < SECONDS:
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1e9 * min(times) / (rows * COLUMNS)


if __name__ == "__main__":
    main()
