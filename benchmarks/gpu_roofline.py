"""Each layer of a training step against what the card can do: bytes that must move, operations, time.

    python benchmarks/gpu_roofline.py                  # the table of bytes and operations, for the base preset
    python benchmarks/gpu_roofline.py --measure        # with times, on a GPU

"Bytes" counts each input once, each output once and what is kept for the backward, in float32: a fused kernel moves no
more. A layer whose time is bytes / copy bandwidth cannot be made faster; a share of 20% says that its passes move five
times as much. Matrix products are counted in operations instead.
"""

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from numpy_transformer.backend import device_module
from numpy_transformer.config import TransformerConfig
from numpy_transformer.layers.activation import relu_backward, relu_forward
from numpy_transformer.layers.layer_norm import LayerNormParameters, layer_norm_backward, layer_norm_forward
from numpy_transformer.layers.matmul import matmul
from numpy_transformer.layers.softmax import softmax_backward, softmax_forward

FLOAT = 4  # bytes


class Row(NamedTuple):
    name: str
    shape: str
    bytes: int
    operations: int
    run: Callable[[Any], Callable[[], object]]  # array module -> what is timed


def rows(config: TransformerConfig, tokens: int, length: int) -> list[Row]:
    """The layers of one sub-layer each, for `tokens` positions in sentences of `length`."""
    N, D, F, H = tokens, config.d_model, config.d_ff, config.heads
    B, T = tokens // length, length
    scores = B * H * T * T

    def norm(xp: Any) -> tuple[Any, Any, Any]:
        return xp.ones((N, D), dtype="float32"), *(LayerNormParameters(*xp.ones((2, D), dtype="float32")) for _ in "pg")

    def norm_forward(xp: Any) -> Callable[[], object]:
        x, parameters, _ = norm(xp)
        return lambda: layer_norm_forward(x, parameters)

    def norm_backward(xp: Any) -> Callable[[], object]:
        x, parameters, gradients = norm(xp)
        _, cache = layer_norm_forward(x, parameters)
        return lambda: layer_norm_backward(x, cache, parameters, gradients)

    def on(shape: tuple[int, ...], function: Callable[[Any], object]) -> Callable[[Any], Callable[[], object]]:
        def prepare(xp: Any) -> Callable[[], object]:
            x = xp.ones(shape, dtype="float32")
            return lambda: function(x)

        return prepare

    def relu_back(xp: Any) -> Callable[[], object]:
        x = xp.ones((N, F), dtype="float32")
        _, cache = relu_forward(x)
        return lambda: relu_backward(x, cache)

    def product(xp: Any) -> Callable[[], object]:
        x, weight = xp.ones((N, D), dtype="float32"), xp.ones((D, F), dtype="float32")
        return lambda: matmul(x, weight)

    return [
        Row("layer norm forward", f"{N} x {D}", FLOAT * (3 * N * D + N + 2 * D), 8 * N * D, norm_forward),
        Row("layer norm backward", f"{N} x {D}", FLOAT * (3 * N * D + N + 3 * D), 12 * N * D, norm_backward),
        Row("softmax forward", f"{B * H * T} x {T}", FLOAT * 2 * scores, 5 * scores, on((B, H, T, T), softmax_forward)),
        Row(
            "softmax backward",
            f"{B * H * T} x {T}",
            FLOAT * 3 * scores,
            4 * scores,
            on((B, H, T, T), lambda x: softmax_backward(x, x)),
        ),
        Row("ReLU forward", f"{N} x {F}", (2 * FLOAT + 1) * N * F, N * F, on((N, F), relu_forward)),
        Row("ReLU backward", f"{N} x {F}", (2 * FLOAT + 1) * N * F, N * F, relu_back),
        Row("linear product", f"{N} x {D} x {F}", FLOAT * (N * D + D * F + N * F), 2 * N * D * F, product),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="bytes, operations and time of each layer")
    parser.add_argument("--preset", default="base")
    parser.add_argument("--tokens", type=int, default=25000)
    parser.add_argument("--length", type=int, default=25)
    parser.add_argument("--measure", action="store_true", help="time each on a GPU")
    options = parser.parse_args()
    config = TransformerConfig.preset(options.preset, vocabulary_size=37000)
    xp = device_module("gpu") if options.measure else None
    bandwidth = copy_bandwidth(xp) if xp else None
    if bandwidth:
        print(f"a copy within the card's memory moves {bandwidth / 1e9:,.0f} GB/s")
    print(f"| layer | shape | MB | Mop | op/byte | {'time | share of copy' if bandwidth else 'measured'} |")
    print(f"|---|---|---:|---:|---:|{'---:|---:|' if bandwidth else '---|'}")
    for row in rows(config, options.tokens, options.length):
        told = "not measured on a GPU"
        if xp is not None and bandwidth:
            milliseconds = time_of(xp, row.run(xp))
            told = f"{milliseconds:.3f} ms | {row.bytes / (milliseconds / 1000) / bandwidth:.0%}"
        print(
            f"| {row.name} | {row.shape} | {row.bytes / 1e6:.1f} | {row.operations / 1e6:,.0f} "
            f"| {row.operations / row.bytes:.1f} | {told} |"
        )


def copy_bandwidth(xp: Any) -> float:
    """Bytes per second that a copy of 1 GiB reads and writes."""
    x = xp.zeros(1 << 28, dtype="float32")
    y = xp.empty_like(x)
    return 2 * x.nbytes / (time_of(xp, lambda: xp.copyto(y, x)) / 1000)


def time_of(xp: Any, action: Callable[[], object]) -> float:
    """The median of 20 runs in milliseconds, by events on the card, after 3 to warm up."""
    for _ in range(3):
        action()
    stream = xp.cuda.get_current_stream()
    times = []
    for _ in range(20):
        start = stream.record()
        action()
        end = stream.record()
        end.synchronize()
        times.append(xp.cuda.get_elapsed_time(start, end))
    return statistics.median(times)


if __name__ == "__main__":
    main()
