# ruff: noqa: E402  (the path must be set before the packages are imported)
"""What one training step does, counted while it runs, and how long the machine should take for it.

    python benchmarks/performance_operations.py --preset tiny --preset base

A subclass of numpy.ndarray replaces the model's arrays. Its ufuncs count themselves before they run: calls,
floating-point operations (a multiply-add of a matrix product is two, an element of any other ufunc one), and the bytes
of all operands and results, as if every pass went to memory. Drawing dropout masks and picking rows of the embedding
table are not counted.

The same step is then timed, with one worker and one BLAS thread, and compared with three speeds of the same run: the
best matrix product of 2048 x 2048, elementwise operations on arrays larger than the caches, and calls on one number.
A fourth, writing to memory new to the process, is what backend/memory.py avoids. OPENBLAS_CORETYPE, which pins the BLAS
kernel, stays as it is, so you can use it to compare kernels.
"""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # not this folder, where benchmarks/bpe.py is called bpe too

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.machine import libraries, machine
from numpy_transformer.data.batching import EncodedText
from numpy_transformer.data.id_rows import IdRows
from numpy_transformer.layers.parameters import Parameters
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.costs import StepSize, step_flops
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import Workers


class Prices(NamedTuple):
    """Seconds on one core."""

    flop: float  # of a matrix product
    byte: float  # read or written by an elementwise operation
    call: float  # of a ufunc
    fresh_byte: float  # written where the process had no memory yet


calls: Counter[str] = Counter()
operations: Counter[str] = Counter()
traffic: Counter[str] = Counter()


class CountingArray(np.ndarray):
    """An array that counts the operations on it."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = (), **options: Any) -> Any:
        inputs = tuple(map(plain, inputs))
        if out:
            options["out"] = tuple(map(plain, out))
        options = {name: plain(value) for name, value in options.items()}
        result = getattr(ufunc, method)(*inputs, **options)
        results = result if isinstance(result, tuple) else (result,)
        operands = [value for value in inputs if isinstance(value, np.ndarray)]
        if ufunc is np.matmul and min(operand.ndim for operand in operands) > 1:
            count("matrix products", 2 * operands[0].size * operands[1].shape[-1], [*operands, *results])
        elif method == "reduce" or ufunc is np.matmul:
            count("sums and maxima", max(operand.size for operand in operands), [*operands, *results])
        else:
            count("elementwise", max(np.size(value) for value in results), [*operands, *results])
        return result.view(CountingArray) if isinstance(result, np.ndarray) else result

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function is np.einsum:
            arrays = [value for value in args if isinstance(value, np.ndarray)]
            count("sums and maxima", 2 * arrays[0].size, arrays)
        elif function is np.copyto:
            count("elementwise", args[0].size, [args[0]])
        return super().__array_function__(function, types, args, kwargs)


CountingArray.__module__ = "numpy"  # by which the layers choose the functions to call


def plain(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, CountingArray) else value


def count(kind: str, operation_count: int, arrays: list[Any]) -> None:
    calls[kind] += 1
    operations[kind] += operation_count
    traffic[kind] += sum(array.nbytes for array in arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description="operations, bytes and time of a training step")
    parser.add_argument("--preset", action="append", help="size of the model, may be given several times (tiny)")
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--tokens", type=int, default=4096, help="target tokens of the batch (4096)")
    parser.add_argument("--length", type=int, default=16, help="tokens of a sentence (16)")
    parser.add_argument("--steps", type=int, default=3, help="timed steps (3)")
    options = parser.parse_args()
    host = machine()
    print(f"{host['cpu']}, {host['cpus']} CPUs, load {host['load']}; {host['system']}; Python {host['python']}")
    with threadpool_limits(limits=1, user_api="blas"):
        print(*(f"{name} {text}" for name, text in libraries().items()), sep="\n")
        prices = Prices(seconds_of_a_flop(), seconds_of_a_byte(), seconds_of_a_call(), seconds_of_a_fresh_byte())
        print(
            f"one core: matrix products {1e-9 / prices.flop:.0f} GFLOP/s, elementwise operations "
            f"{1e-9 / prices.byte:.1f} GB/s, a call {1e6 * prices.call:.2f} us, "
            f"writing to fresh memory {1e-9 / prices.fresh_byte:.1f} GB/s"
        )
        for preset in options.preset or ["tiny"]:
            config = TransformerConfig.preset(preset, vocabulary_size=options.vocabulary)
            size = StepSize(options.tokens // options.length, options.length, options.length)
            report(preset, config, size, prices, options.steps)


def report(preset: str, config: TransformerConfig, size: StepSize, prices: Prices, steps: int) -> None:
    rng = np.random.default_rng(0)
    source, target = rng.integers(3, config.vocabulary_size, (2, size.sentences, size.source_length))
    target = np.insert(target, 0, config.bos_id, axis=1)
    model = Transformer(config)
    adam = Adam.for_parameters(model.parameters.flat)
    gradients = model.parameters.twin()
    Workers(model, 1).close()  # keeps freed memory, as training does

    def step() -> None:
        model.loss_and_gradients(source, target, seed=adam.step, gradients=gradients)
        adam.update(model.parameters.flat, gradients.flat, rate=1e-4)

    step()
    seconds = statistics.median(seconds_of(step) for _ in range(steps))
    optimizer = statistics.median(
        seconds_of(lambda: adam.update(model.parameters.flat, gradients.flat, rate=1e-4)) for _ in range(steps)
    )

    counters = (calls, operations, traffic)
    for counter in counters:
        counter.clear()
    model.parameters = Parameters.view(model.parameters.flat.view(CountingArray), model.parameters.tree)
    gradients = model.parameters.twin()
    model.loss_and_gradients(source, target, seed=0, gradients=gradients)
    before = [counter.copy() for counter in counters]
    adam.update(model.parameters.flat, gradients.flat, rate=1e-4)
    for counter, earlier in zip(counters, before, strict=True):
        in_adam = counter - earlier
        for kind in in_adam:
            counter[kind] = earlier[kind]
        counter["Adam"] = in_adam.total()
    if operations["matrix products"] != step_flops(config, size):
        raise AssertionError("the formula and the count of the matrix products differ")

    print(
        f"\n{preset}: {model.parameters.flat.size:,} parameters, V {config.vocabulary_size:,}; "
        f"{size.sentences} sentences of {size.source_length} source and target tokens\n"
        f"{'':20}{'calls':>8}{'GFLOP':>10}{'GB':>8}{'FLOP/byte':>11}"
    )
    for kind in ("matrix products", "elementwise", "sums and maxima", "Adam"):
        gigaflops, gigabytes = operations[kind] / 1e9, traffic[kind] / 1e9
        print(f"{kind:20}{calls[kind]:8,}{gigaflops:10,.2f}{gigabytes:8.2f}{gigaflops / gigabytes:11.2f}")
    others = traffic["elementwise"] + traffic["sums and maxima"] + traffic["Adam"]
    call_count = sum(calls.values())
    parts = [
        ("matrix products", operations["matrix products"] * prices.flop),
        ("all other bytes", others * prices.byte),
        (f"{call_count:,} calls", call_count * prices.call),
    ]
    print(*(f"{name:20}{1e3 * part:10,.1f} ms" for name, part in parts), sep="\n")
    print(
        f"{'sum':20}{1e3 * sum(part for _, part in parts):10,.1f} ms\n"
        f"{'measured':20}{1e3 * seconds:10,.1f} ms, Adam {1e3 * optimizer:,.1f} ms of it; "
        f"{operations['matrix products'] / seconds / 1e9:.0f} GFLOP/s, {parts[0][1] / seconds:.0%} of the peak\n"
        f"{'laying out the batch':20}{1e3 * seconds_of_layout(source, target, config):10,.2f} ms"
    )
    for name, speed in speeds_by_shape(config, size).items():
        print(f"    {name:28}{1e-9 * speed:6.0f} GFLOP/s")


def seconds_of_a_flop() -> float:
    """Seconds per operation in the best of several products of 2048 x 2048 matrices."""
    a, b = np.random.default_rng(0).random((2, 2048, 2048), dtype=np.float32)
    out = np.empty_like(a)
    return min(seconds_of(lambda: np.matmul(a, b, out=out)) for _ in range(8)) / (2 * len(a) ** 3)


def seconds_of_a_byte() -> float:
    """Seconds per byte of y = a + b, which reads two numbers and writes one, on arrays larger than the caches."""
    a, b, y = np.ones((3, 1 << 25), dtype=np.float32)
    return min(seconds_of(lambda: np.add(a, b, out=y)) for _ in range(8)) / (3 * a.nbytes)


def seconds_of_a_fresh_byte() -> float:
    """Seconds per byte written to an array for which the system has not yet found pages."""
    size = 1 << 28

    def fill() -> None:
        np.empty(size, dtype=np.uint8).fill(1)

    return min(seconds_of(fill) for _ in range(4)) / size


def speeds_by_shape(config: TransformerConfig, size: StepSize) -> dict[str, float]:
    """FLOP/s of the step's products, each alone; these depend on the inner size and the number of products."""
    rng = np.random.default_rng(0)
    B, S, _ = size
    D, F, V, H = config.d_model, config.d_ff, config.vocabulary_size, config.heads

    def random(*shape: int) -> np.ndarray:
        return rng.random(shape, dtype=np.float32)

    def speed(a: np.ndarray, b: np.ndarray) -> float:
        out = np.matmul(a, b)
        return 2 * out.size * a.shape[-1] / min(seconds_of(lambda: np.matmul(a, b, out=out)) for _ in range(8))

    x, hidden = random(B * S, D), random(B * S, F)
    query, key = random(2, B, H, S, D // H)  # not one array for both: NumPy has a way of its own for a @ a.T
    return {
        "query, key, value": speed(x, random(D, 3 * D)),
        "feed-forward, first half": speed(x, random(D, F)),
        "its weight's gradient": speed(x.T, hidden),
        "logits": speed(x[:1024], random(V, D).T),
        "scores": speed(query, key.swapaxes(-1, -2)),
        "context": speed(random(B, H, S, S), key),
    }


def seconds_of_a_call() -> float:
    """Seconds of one ufunc with nothing to compute."""
    a = np.zeros(1, dtype=np.float32)

    def thousand() -> None:
        for _ in range(1000):
            np.add(a, a, out=a)

    return min(seconds_of(thousand) for _ in range(8)) / 1000


def seconds_of_layout(source: np.ndarray, target: np.ndarray, config: TransformerConfig) -> float:
    """Seconds to turn ids of sentences into padded arrays, as the trainer does before each step."""
    text = EncodedText(IdRows.of(source), IdRows.of(target))
    return min(seconds_of(lambda: text.batch(np.arange(len(source)), config.pad_id)) for _ in range(8))


def seconds_of(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
