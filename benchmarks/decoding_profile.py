"""Where the time of a beam search goes: one process with one BLAS thread, like each worker of benchmarks/decoding.py.

    python benchmarks/decoding_profile.py --preset tiny --batch 1 --batch 16 --batch 64

The weights are random, and each sentence has --length tokens. A wrapper around the function that does it times each
part; the wrapper's own time counts for the part around it. "GFLOP/s" is the rate of the part's matrix products alone.
Beside it is the best rate of a product in the same run, the most that BLAS gives. "At best" is the time that all these
products would take at that rate: no float32 search of the whole vocabulary is faster on this BLAS and one core. Below
are products with the decoder's weights, unpacked and packed (numpy_transformer/decoding/packed.py).
"""

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from machine import libraries, machine

from numpy_transformer.decoding import beam_search, incremental, next_tokens
from numpy_transformer.decoding.packed import PackedModel, PackedWeight, Projection
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer

VOCABULARY = 8000
ENCODER = "encoder, and cross-attention's keys and values"
# (part, where the function is looked up, its name); a part within another is taken out of the outer one.
PARTS: list[tuple[str, Any, str]] = [
    (ENCODER, incremental.IncrementalDecoder, "admit"),
    ("a step, apart from the following", incremental.IncrementalDecoder, "step"),
    ("  products with weights, and biases", incremental, "linear"),
    ("  feed-forward: the same, and ReLU", incremental, "feed_forward"),
    ("  attention: scores, softmax, contexts", incremental, "attention"),
    ("  residuals and layer norms", incremental, "after"),
    ("  output projection", Projection, "logits"),
    ("log-normalizer over the vocabulary", next_tokens, "log_normalizer"),
    ("largest logits", next_tokens, "largest"),
]
SEARCH = "the search, apart from all that"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny", choices=("tiny", "small", "base", "big"))
    parser.add_argument("--batch", type=int, action="append", help="sentences; may be repeated (1, 16 and 64)")
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--length", type=int, default=18, help="tokens of source and translation")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()

    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        host = machine()
        print(f"{host['cpu']}, load {host['load']}; {host['system']}; Python {host['python']}; {libraries()['numpy']}")
        config = TransformerConfig.preset(options.preset, vocabulary_size=VOCABULARY)
        model = PackedModel(Transformer(config, seed=0))
        peak = max(product_rate(1024, 512, 2048, packed=packed) for packed in (False, True))
        print(f"{options.preset}, vocabulary {VOCABULARY}, beam {options.beam}, {options.length} tokens")
        print(f"a product of 1,024 rows with a weight of 512 x 2,048 runs at {peak:.0f} GFLOP/s")
        searches = [profile(model, batch, options) for batch in options.batch or (1, 16, 64)]
        for search in searches:
            print_search(search, options, peak)
        print("products, GFLOP/s: rows, weight, as it is, packed")
        products = [
            compare_products(rows, *shape) for shape in weight_shapes(config) for rows in (options.beam, 64, 256)
        ]
        for product in products:
            print(
                f"  {product['rows']:4} rows x {product['weight'][0]:4} x {product['weight'][1]:5}   "
                f"{product['plain']:4.0f}  {product['packed']:4.0f}"
            )
    if options.json:
        result = {"machine": host, "options": vars(options), "peak": peak, "searches": searches, "products": products}
        Path(options.json).write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def profile(model: PackedModel, batch: int, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of each part, the medians of the rounds."""
    source = np.random.default_rng(batch).integers(3, VOCABULARY, (batch, options.length))
    source[:, -1] = model.config.eos_id
    limits = np.full(batch, options.length - 1)  # and eos

    def search() -> None:
        beam_search(model, source, limits=limits, beam=options.beam, alpha=0.6)

    clock = Clock()
    search()
    whole = []
    for _ in range(options.rounds):
        start = time.perf_counter()
        search()
        whole.append(time.perf_counter() - start)
    with ExitStack() as stack:
        for part, owner, name in PARTS:
            stack.enter_context(patch.object(owner, name, clock.around(part, getattr(owner, name))))
        rounds = []
        for _ in range(options.rounds):
            clock.seconds.clear()
            clock.around(SEARCH, search)()
            rounds.append(dict(clock.seconds))
    parts = {part: statistics.median(found.get(part, 0.0) for found in rounds) for part in (*names(), SEARCH)}
    flops = product_flops(model.config, batch, options)
    return {"batch": batch, "seconds": statistics.median(whole), "parts": parts, "flops": flops}


class Clock:
    """Adds up the seconds spent in functions; if one function calls another, the time counts only for the inner one."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inner = [0.0]  # of each function under way, the seconds of the timed ones within it

    def around(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        def timed(*args: Any, **options: Any) -> Any:
            self._inner.append(0.0)
            start = time.perf_counter()
            try:
                return function(*args, **options)
            finally:
                seconds = time.perf_counter() - start
                self.seconds[part] += seconds - self._inner.pop()
                self._inner[-1] += seconds

        return timed


def names() -> list[str]:
    """The parts, in the order in which they are printed."""
    return [part for part, _, _ in PARTS]


def product_flops(config: TransformerConfig, batch: int, options: argparse.Namespace) -> dict[str, int]:
    """2 for each multiplication with a weight, by part; the products within attention are left out."""
    D, F, V = config.d_model, config.d_ff, config.vocabulary_size
    rows = batch * (1 + options.beam * (options.length - 1))  # the first step has one row for each sentence
    encoder = config.encoder_layers * (4 * D * D + 2 * D * F) + config.decoder_layers * 2 * D * D
    return {
        ENCODER: 2 * batch * options.length * encoder,
        "  products with weights, and biases": 2 * rows * config.decoder_layers * 6 * D * D,
        "  feed-forward: the same, and ReLU": 2 * rows * config.decoder_layers * 2 * D * F,
        "  output projection": 2 * rows * D * V,
    }


def print_search(search: dict[str, Any], options: argparse.Namespace, peak: float) -> None:
    """The parts in milliseconds, as shares, and their rates."""
    timed, tokens = sum(search["parts"].values()), search["batch"] * options.length
    best = sum(search["flops"].values()) / peak / 1e9
    print(
        f"{search['batch']} sentences: {1000 * search['seconds']:.1f} ms, {tokens / search['seconds']:.0f} tokens/s; "
        f"at best {1000 * best:.1f} ms, {tokens / best:.0f} tokens/s; {1000 * timed:.1f} ms while it is timed:"
    )
    for part, seconds in search["parts"].items():
        line = f"  {part:50} {1000 * seconds:8.1f} ms {seconds / timed:6.1%}"
        if part in search["flops"]:
            line += f" {search['flops'][part] / seconds / 1e9:6.0f} GFLOP/s"
        print(line)


def weight_shapes(config: TransformerConfig) -> list[tuple[int, int]]:
    """Of the decoder's weights, and of the output projection."""
    D, F = config.d_model, config.d_ff
    return [(D, D), (D, 3 * D), (D, F), (F, D), (D, config.vocabulary_size)]


def compare_products(rows: int, inputs: int, outputs: int) -> dict[str, Any]:
    """GFLOP/s with the weight unpacked and packed."""
    plain, packed = (product_rate(rows, inputs, outputs, packed=packed) for packed in (False, True))
    return {"rows": rows, "weight": (inputs, outputs), "plain": plain, "packed": packed}


def product_rate(rows: int, inputs: int, outputs: int, *, packed: bool) -> float:
    """GFLOP/s of x W, over weights that together exceed the cache, like those of a whole model."""
    rng = np.random.default_rng(0)
    count = max(2, 60_000_000 // (4 * inputs * outputs))
    drawn = [rng.standard_normal((inputs, outputs), dtype=np.float32) for _ in range(min(count, 60))]
    weights: list[Any] = [PackedWeight(weight) for weight in drawn] if packed else drawn
    x = rng.standard_normal((rows, inputs), dtype=np.float32)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        for weight in weights:
            np.matmul(x, weight)
        seconds.append(time.perf_counter() - start)
    return 2 * rows * inputs * outputs * len(weights) / statistics.median(seconds) / 1e9


if __name__ == "__main__":
    main()
