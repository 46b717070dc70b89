"""Each fused kernel of a training step or a search, and what the card can do: bytes that must move, operations, time.

    python benchmarks/gpu_roofline.py                  # the table of bytes and operations, for the base preset
    python benchmarks/gpu_roofline.py --measure        # with times, on a GPU

"MB" counts each input once, each output once, and what is kept for the backward, in float32; no kernel can move less. A
kernel that takes these bytes over the bandwidth of a copy cannot be made faster, whatever its operations: all of these
but attention do less than ten per byte. A share of 20% means that its passes move five times as much, or that the card
idles. If a layer takes several launches, such as a sum in two stages, they are timed together. Matrix products are
compared with the best product instead. Times are the card's own (gpu_clock.py), with cold caches.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from gpu_clock import Clock, card_name

from numpy_transformer.backend.arrays import device_module
from numpy_transformer.backend.dropout_masks import DropoutMasks
from numpy_transformer.backend.kernels.adam import guarded_adam_update
from numpy_transformer.backend.kernels.attention import Biases, attend, attend_backward
from numpy_transformer.backend.kernels.best_tokens import best_tokens
from numpy_transformer.backend.kernels.bias import add_bias, column_sums, relu_backward
from numpy_transformer.backend.kernels.decoder_attention import (
    cross_attention_step,
    packed_bits,
    self_attention_step,
)
from numpy_transformer.backend.kernels.output_loss import IN_PLACE, PADDED_TO
from numpy_transformer.backend.kernels.residual import norm_backward, norm_forward
from numpy_transformer.backend.kernels.sums import add_up
from numpy_transformer.backend.precision import PRECISIONS, check_precision, precision
from numpy_transformer.errors import InputError
from numpy_transformer.layers.arithmetic import matmul
from numpy_transformer.layers.attention import causal_mask
from numpy_transformer.layers.dropout import dropout_forward
from numpy_transformer.layers.embedding import EmbeddingParameters, embedding_backward, input_embedding_forward
from numpy_transformer.layers.layer_norm import LayerNormParameters, layer_norm_backward, layer_norm_forward
from numpy_transformer.layers.multi_head_attention import split_heads
from numpy_transformer.layers.softmax import softmax_backward, softmax_forward
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.training.optimizer import Adam

FLOAT, ID = 4, 8  # bytes
SENTENCES, BEAM = 128, 4  # of a search

Work = Callable[[], object]


class Row(NamedTuple):
    """One layer, its cost, and how to get it ready on a card."""

    name: str
    file: str  # of the kernel, or "cuBLAS"
    shape: str
    bytes: int
    operations: int
    prepare: Callable[[Any], Work]  # array module -> what is timed


class Sizes(NamedTuple):
    """Sizes of a batch and a model, in the paper's letters; R rows of logits, P parameters."""

    N: int
    T: int
    D: int
    F: int
    H: int
    V: int
    R: int
    P: int


def sizes_of(config: TransformerConfig, tokens: int, length: int) -> Sizes:
    """The loss is computed on as many rows at once as fit into 2^27 logits; parameters are counted, not created."""
    D, F, V = config.d_model, config.d_ff, config.vocabulary_size
    attention, norm, network = 4 * (D * D + D), 2 * D, 2 * D * F + F + D
    encoder = config.encoder_layers * (attention + network + 2 * norm)
    decoder = config.decoder_layers * (2 * attention + network + 3 * norm)
    N = tokens // length * length
    return Sizes(N, length, D, F, config.heads, V, min(N, max(1, (1 << 27) // V)), V * D + encoder + decoder)


# --- What is timed ---


def numbers(xp: Any, *shape: int) -> Any:
    """Normally distributed float32 numbers on the card: a few drawn ones, repeated."""
    drawn = xp.asarray(np.random.default_rng(0).standard_normal(8191, dtype=np.float32))
    size = int(np.prod(shape))
    return drawn[xp.arange(size) % len(drawn)].reshape(shape)


def draw_ids(s: Sizes) -> np.ndarray:
    """Random ids with the frequencies of words: the r-th most frequent id about 1 / r as often as the first."""
    weights = 1 / np.arange(1, s.V + 1)
    return np.random.default_rng(0).choice(s.V, (s.N // s.T, s.T), p=weights / weights.sum())


def embedding_rows(s: Sizes) -> list[Row]:
    """Forward with positions; backward with its sort."""
    ids = draw_ids(s)
    distinct = len(np.unique(ids))

    def forward(xp: Any) -> Work:
        parameters, on_card = EmbeddingParameters(numbers(xp, s.V, s.D)), xp.asarray(ids)
        return lambda: input_embedding_forward(on_card, parameters)

    def backward(xp: Any) -> Work:
        dy, on_card = numbers(xp, *ids.shape, s.D), xp.asarray(ids)
        gradients = EmbeddingParameters(xp.zeros((s.V, s.D), dtype="float32"))
        return lambda: embedding_backward(dy, on_card, gradients)

    moved = FLOAT * s.D * (distinct + s.T + s.N) + ID * s.N
    summed = FLOAT * s.D * (s.N + 2 * distinct) + 2 * ID * s.N
    shape = f"{s.N} of {s.V} x {s.D}"
    return [
        Row("embedding + positions", "embedding.cu", shape, moved, 2 * s.N * s.D, forward),
        Row("embedding back, sorted", "embedding.cu", shape, summed, 2 * s.N * s.D, backward),
    ]


def norm_rows(s: Sizes) -> list[Row]:
    """What follows each sub-layer, and layer norm alone, which pre-norm models have."""

    def parameters(xp: Any) -> LayerNormParameters:
        return LayerNormParameters(xp.ones((s.D,), dtype="float32"), xp.zeros((s.D,), dtype="float32"))

    def sublayer(xp: Any) -> tuple[Any, ...]:
        options = {"site": DropoutMasks(0.1, 0, xp).next_site(), "bias": xp.zeros((s.D,), dtype="float32")}
        return numbers(xp, s.N, s.D), numbers(xp, s.N, s.D), parameters(xp), options

    def after(xp: Any) -> Work:
        x, update, p, options = sublayer(xp)
        return lambda: norm_forward(x, p, update=update, **options)

    def after_back(xp: Any) -> Work:
        x, update, p, options = sublayer(xp)
        _, cache = norm_forward(x, p, update=update, **options)
        gradients, dbias = parameters(xp), xp.zeros((s.D,), dtype="float32")
        return lambda: norm_backward(update, cache, p, gradients, dbias=dbias, site=options["site"])

    def forward(xp: Any) -> Work:
        x, p = numbers(xp, s.N, s.D), parameters(xp)
        return lambda: layer_norm_forward(x, p)

    def backward(xp: Any) -> Work:
        x, p, gradients = numbers(xp, s.N, s.D), parameters(xp), parameters(xp)
        _, cache = layer_norm_forward(x, p)
        return lambda: layer_norm_backward(x, cache, p, gradients)

    n, shape, fused = s.N * s.D, f"{s.N} x {s.D}", "bias + dropout + residual + norm"
    return [
        Row(fused, "residual.cu", shape, FLOAT * (4 * n + s.N + 3 * s.D), 22 * n, after),
        Row(f"{fused}, back", "residual.cu", shape, FLOAT * (4 * n + s.N + 4 * s.D), 26 * n, after_back),
        Row("layer norm", "residual.cu", shape, FLOAT * (3 * n + s.N + 2 * s.D), 8 * n, forward),
        Row("layer norm back", "residual.cu", shape, FLOAT * (3 * n + s.N + 3 * s.D), 12 * n, backward),
    ]


def attention_rows(s: Sizes) -> list[Row]:
    """A decoder's self-attention between its projections, whose buffers it reads and writes; dropout is optional."""
    B = s.N // s.T

    def heads(xp: Any) -> tuple[Any, ...]:
        return tuple(split_heads(numbers(xp, B, s.T, 3 * s.D), 3, s.H))

    def prepared(xp: Any, dropout: float) -> tuple[tuple[Any, ...], dict[str, Any]]:
        biases = Biases(*xp.zeros((3, s.D), dtype="float32"))
        masks = DropoutMasks(dropout, 0, xp) if dropout else None
        return heads(xp), {"biases": biases, "mask": causal_mask(s.T, xp.ones(1)), "dropout": masks}

    def forward(dropout: float) -> Callable[[Any], Work]:
        def prepare(xp: Any) -> Work:
            operands, options = prepared(xp, dropout)
            return lambda: attend(*operands, **options)

        return prepare

    def backward(dropout: float) -> Callable[[Any], Work]:
        def prepare(xp: Any) -> Work:
            operands, options = prepared(xp, dropout)
            cache, (dquery, dkey, dvalue) = attend(*operands, **options), heads(xp)
            return lambda: attend_backward(operands[0], cache, dquery=dquery, dkey=dkey, dvalue=dvalue)

        return prepare

    projected, pairs = s.N * s.D, s.N * s.H * s.T
    shape = f"{B * s.H} x {s.T} x {s.D // s.H} x {s.T}"
    products, forward_bytes, backward_bytes = 2 * s.N * s.T * s.D, FLOAT * 4 * projected, FLOAT * 8 * projected
    return [
        Row("attention", "attention.cu", shape, forward_bytes, 2 * products + 8 * pairs, forward(0)),
        Row("the same, with dropout", "attention.cu", shape, forward_bytes, 2 * products + 20 * pairs, forward(0.1)),
        Row("attention back", "attention.cu", shape, backward_bytes, 7 * products + 16 * pairs, backward(0)),
        Row("the same, with dropout", "attention.cu", shape, backward_bytes, 7 * products + 52 * pairs, backward(0.1)),
    ]


def softmax_rows(s: Sizes) -> list[Row]:
    """Softmax alone, as where attention's weights are asked for, or its heads are too wide for the kernel above."""
    count = s.N * s.H * s.T

    def forward(xp: Any) -> Work:
        x = numbers(xp, s.N * s.H, s.T)
        return lambda: softmax_forward(x)

    def backward(xp: Any) -> Work:
        x, y = numbers(xp, s.N * s.H, s.T), numbers(xp, s.N * s.H, s.T)
        return lambda: softmax_backward(x, y)

    shape = f"{s.N * s.H} x {s.T}"
    return [
        Row("softmax", "softmax.cu", shape, FLOAT * 2 * count, 6 * count, forward),
        Row("softmax back", "softmax.cu", shape, FLOAT * 3 * count, 4 * count, backward),
    ]


def elementwise_rows(s: Sizes) -> list[Row]:
    """Dropout, bias, ReLU and the bias's gradient."""

    def dropout(xp: Any) -> Work:
        x, masks = numbers(xp, s.N, s.D), DropoutMasks(0.1, 0, xp)
        return lambda: dropout_forward(x, masks)

    def on(width: int, work: Callable[[Any, Any, Any], object]) -> Callable[[Any], Work]:
        def prepare(xp: Any) -> Work:
            x, y, row = numbers(xp, s.N, width), numbers(xp, s.N, width), xp.zeros((width,), dtype="float32")
            return lambda: work(x, y, row)

        return prepare

    narrow, wide = s.N * s.D, s.N * s.F
    shape, hidden = f"{s.N} x {s.D}", f"{s.N} x {s.F}"
    bias, activate = on(s.D, lambda x, _, row: add_bias(x, row)), on(s.F, lambda x, _, row: add_bias(x, row, relu=True))
    back = on(s.F, lambda x, y, row: relu_backward(x, y, dbias=row))
    sums = on(s.D, lambda x, _, row: column_sums(x, out=row))
    return [
        Row("dropout, either way", "dropout.cu", shape, FLOAT * 2 * narrow, 12 * narrow, dropout),
        Row("bias", "bias.cu", shape, FLOAT * (2 * narrow + s.D), narrow, bias),
        Row("bias + ReLU", "bias.cu", hidden, FLOAT * (2 * wide + s.F), 2 * wide, activate),
        Row("ReLU back + bias gradient", "bias.cu", hidden, FLOAT * (3 * wide + s.F), 2 * wide, back),
        Row("bias gradient", "bias.cu", shape, FLOAT * (narrow + s.D), narrow, sums),
    ]


def sum_rows(s: Sizes) -> list[Row]:
    """The second stages of all sums of a layer's backward: eight, of norms and biases."""
    parts, widths = math.isqrt(s.N) + 1, [s.D] * 6 + [3 * s.D, s.F]

    def together(xp: Any) -> Work:
        sums = [(numbers(xp, parts, width), xp.empty((width,), dtype="float32")) for width in widths]
        return lambda: add_up(*sums)

    count = parts * sum(widths)
    return [Row("second stages of sums", "sums.cu", f"{parts} x {sum(widths)}", FLOAT * count, count, together)]


def loss_rows(s: Sizes) -> list[Row]:
    """The loss of one chunk of logits."""
    targets = np.random.default_rng(0).integers(0, s.V, s.R)

    def in_place(xp: Any) -> Work:
        stride = -(-s.V // PADDED_TO) * PADDED_TO
        logits, losses = numbers(xp, s.R, stride)[:, : s.V], xp.empty((s.R,), dtype="float32")
        arrays = logits, xp.asarray(targets), losses
        return lambda: IN_PLACE.launch(logits, (s.R,), 1024, *arrays, s.V, stride, 1, 1 / s.N, 0.1, 0)

    count, shape = s.R * s.V, f"{s.R} x {s.V}"
    return [
        Row("loss and gradient in place", "cross_entropy.cu", shape, FLOAT * 2 * count, 8 * count, in_place),
    ]


def adam_rows(s: Sizes) -> list[Row]:
    """Norm, scalars and update of all parameters."""

    def update(xp: Any) -> Work:
        flat, gradients = numbers(xp, s.P), numbers(xp, s.P)
        adam, loss = Adam.for_parameters(flat), xp.zeros((), dtype="float32")
        updates, results = xp.zeros((), dtype="int64"), xp.zeros((3,), dtype="float64")
        return lambda: guarded_adam_update(
            flat,
            gradients,
            adam.first_moment,
            adam.second_moment,
            beta1=adam.beta1,
            beta2=adam.beta2,
            epsilon=adam.epsilon,
            loss=loss,
            updates=updates,
            results=results,
            rate=1e-9,
            clip=1.0,
        )

    return [Row("norm, clipping, Adam", "adam.cu", f"{s.P}", FLOAT * 8 * s.P, 16 * s.P, update)]


def search_rows(s: Sizes) -> list[Row]:
    """A step of beam search: T tokens of each sentence are in the cache, and each hypothesis sees all of them."""
    B, W = min(SENTENCES, s.N // s.T), BEAM
    R = B * W
    columns = np.repeat(np.arange(W)[None], B, axis=0).ravel() % s.T

    def prepared(xp: Any, parts: int) -> tuple[Any, ...]:
        cache = numbers(xp, B, s.T, 2 * s.D)
        return numbers(xp, R, parts * s.D), xp.zeros((parts * s.D,), dtype="float32"), cache

    def own(xp: Any) -> Work:
        arrays, seen = prepared(xp, 3), xp.asarray(packed_bits(np.ones((R, s.T), dtype=bool)))
        on_card = xp.asarray(columns)
        return lambda: self_attention_step(*arrays, columns=on_card, seen=seen, heads=s.H)

    def cross(xp: Any) -> Work:
        arrays, lengths = prepared(xp, 1), xp.asarray(np.full(B, s.T))
        return lambda: cross_attention_step(*arrays, lengths=lengths, heads=s.H)

    def best(xp: Any) -> Work:
        logits = numbers(xp, R, s.V)
        return lambda: best_tokens(logits, W)

    cached, shape = 2 * B * s.T * s.D, f"{R} of {B} x {s.T} x {s.D}"
    attended = 4 * R * s.T * s.D
    return [
        Row("search: self-attention", "decoder_attention.cu", shape, FLOAT * (6 * R * s.D + cached), attended, own),
        Row("search: cross-attention", "decoder_attention.cu", shape, FLOAT * (2 * R * s.D + cached), attended, cross),
        Row("search: best tokens", "best_tokens.cu", f"{R} x {s.V}", FLOAT * R * s.V, 4 * R * s.V, best),
    ]


def product_rows(s: Sizes) -> list[Row]:
    """The largest products."""

    def product(*shapes: tuple[int, ...]) -> Callable[[Any], Work]:
        def prepare(xp: Any) -> Work:
            a, b = (numbers(xp, *shape) for shape in shapes)
            out = xp.empty((*a.shape[:-1], b.shape[-1]), dtype="float32")
            return lambda: matmul(a, b, out=out)

        return prepare

    def linear(name: str, rows: int, inner: int, columns: int) -> Row:
        moved = FLOAT * (rows * inner + inner * columns + rows * columns)
        prepare = product((rows, inner), (inner, columns))
        return Row(name, "cuBLAS", f"{rows} x {inner} x {columns}", moved, 2 * rows * inner * columns, prepare)

    return [
        linear("query, key, value", s.N, s.D, 3 * s.D),
        linear("feed-forward, hidden", s.N, s.D, s.F),
        linear("logits", s.R, s.D, s.V),
    ]


def kernel_rows(s: Sizes) -> list[Row]:
    """Every kernel of our own."""
    groups = (
        *(embedding_rows, norm_rows, attention_rows, softmax_rows, elementwise_rows),
        *(sum_rows, loss_rows, adam_rows, search_rows),
    )
    return [row for group in groups for row in group(s)]


# --- The table ---


def main() -> None:
    parser = argparse.ArgumentParser(description="bytes, operations and time of each kernel")
    parser.add_argument("--preset", default="base")
    parser.add_argument("--vocabulary", type=int, default=37000)
    parser.add_argument("--tokens", type=int, default=25000)
    parser.add_argument("--length", type=int, default=25)
    parser.add_argument("--measure", action="store_true", help="time each on a GPU")
    parser.add_argument("--copied", type=int, default=1 << 28, help="numbers of the copy that gives the bandwidth")
    parser.add_argument("--product", type=int, default=8192, help="size of the matrix product that gives the peak")
    parser.add_argument("--json", type=Path, help="write everything to this file, anew after each kernel")
    options = parser.parse_args()
    sizes = sizes_of(
        TransformerConfig.preset(options.preset, vocabulary_size=options.vocabulary), options.tokens, options.length
    )
    if options.measure:
        try:
            measured(sizes, options)
        except InputError as error:
            sys.exit(str(error))
        return
    print_head("measured")
    for row in (*kernel_rows(sizes), *product_rows(sizes)):
        print(f"{costs(row)} not measured on a GPU |")


def print_head(*columns: str) -> None:
    print(f"| layer | kernel | shape | MB | Mop | op/byte | {' | '.join(columns)} |")
    print(f"|---|---|---|---:|---:|---:|{'---:|' * len(columns)}")


def costs(row: Row) -> str:
    return (
        f"| {row.name} | {row.file} | {row.shape} | {row.bytes / 1e6:,.1f} | {row.operations / 1e6:,.0f} "
        f"| {row.operations / row.bytes:.1f} |"
    )


def measured(sizes: Sizes, options: argparse.Namespace) -> None:
    """Print the tables with times; if one kernel fails, report it and continue with the others."""
    cupy = device_module("gpu")
    clock = Clock(cupy, busy=options.product, cold=options.copied)
    bandwidth = copy_bandwidth(cupy, clock, options.copied)
    found: dict[str, Any] = {"card": card_name(cupy), "copy_bytes_per_second": bandwidth, "kernels": []}
    print(f"{found['card']}: a copy within the card's memory moves {bandwidth / 1e9:,.0f} GB/s\n")

    def note(row: Row, name: str, reached: Callable[[float], tuple[float, float]], unit: str) -> None:
        try:
            milliseconds = clock.milliseconds(row.prepare(cupy))
        except Exception as error:
            print(f"{costs(row)} {' '.join(f'{type(error).__name__}: {error}'.split())[:200]} | |", flush=True)
            return
        rate, share = reached(milliseconds / 1000)
        print(f"{costs(row)} {milliseconds:.3f} ms | {rate:,.1f} {unit} | {share:.0%} |", flush=True)
        entry = {"layer": name, "shape": row.shape, "bytes": row.bytes, "operations": row.operations}
        found["kernels"].append({**entry, "milliseconds": milliseconds, "share": share})
        if options.json:
            options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    print_head("time", "reached", "share of copy")
    for row in kernel_rows(sizes):
        note(
            row,
            row.name,
            lambda seconds, row=row: (row.bytes / seconds / 1e9, row.bytes / seconds / bandwidth),
            "GB/s",
        )
    for name in PRECISIONS:
        try:
            check_precision(name, cupy)
        except InputError as error:
            print(f"\n{error}")
            continue
        with precision(name):
            peak = product_peak(cupy, clock, options.product)
            shape = f"{options.product} x {options.product}"
            print(f"\n{name}: a product of {shape} matrices reaches {peak / 1e12:,.1f} TFLOP/s\n")
            print_head("time", "reached", "share of product")
            for row in product_rows(sizes):
                note(
                    row,
                    f"{row.name}, {name}",
                    lambda seconds, row=row, peak=peak: (
                        row.operations / seconds / 1e12,
                        row.operations / seconds / peak,
                    ),
                    "TFLOP/s",
                )


def copy_bandwidth(cupy: Any, clock: Clock, size: int) -> float:
    """Bytes per second that a copy of this many numbers reads and writes."""
    x = cupy.zeros((size,), dtype="float32")
    y = cupy.empty_like(x)
    return 2 * x.nbytes / (clock.milliseconds(lambda: cupy.copyto(y, x)) / 1000)


def product_peak(cupy: Any, clock: Clock, size: int) -> float:
    """Operations per second of a square product of this size in the current precision."""
    a = numbers(cupy, size, size)
    out = cupy.empty_like(a)
    return 2 * size**3 / (clock.milliseconds(lambda: matmul(a, a, out=out)) / 1000)


if __name__ == "__main__":
    main()
