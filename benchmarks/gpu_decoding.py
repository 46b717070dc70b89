"""Target tokens per second of beam search on a GPU: ours and Hugging Face's on the same card, and ours on the CPU.

    python benchmarks/gpu_decoding.py --preset base --batch 1 --batch 32 --batch 128 --json result.json

Models with random weights translate random sentences into a fixed number of tokens, as in decoding.py: the output is
noise, but the work is that of a trained model. Hugging Face runs a MarianMTModel of the same shape. The host's clock
measures from the call to the last token, which is what a user waits for; figures are the median of the runs. Each step
of our search moves one small array from the card to the host.
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from decoding import VOCABULARY, Search, hugging_face
from machine import machine

from numpy_transformer.backend.precision import precision as matmul_precision
from numpy_transformer.decoding import beam_search
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer

SIDES = {
    "ours float32": ("gpu", "float32"),
    "ours tf32": ("gpu", "tf32"),
    "ours bfloat16": ("gpu", "bfloat16"),
    "Hugging Face float32": ("cuda", "float32"),
    "Hugging Face bfloat16": ("cuda", "bfloat16"),
    "ours on the CPU": ("cpu", "float32"),
}


def main() -> None:
    options = parse_options()
    host = machine()
    print(
        f"{host['cpu']}, {host['cpus']} CPUs; {options.preset}, vocabulary {VOCABULARY:,}, beam {options.beam}, "
        f"{options.length} tokens a side"
    )
    results: list[dict[str, Any]] = []
    for side in options.sides:
        try:
            search = prepare(side, options)
        except Exception as error:  # each library has errors of its own; the other sides are still worth measuring
            print(f"{side}: left out ({' '.join(str(error).split())[:200]})", flush=True)
            continue
        for batch in options.batch or (1, 32, 128):
            seconds, tokens = measure(search, batch, options)
            print(
                f"{side:22} batch {batch:4}  {tokens / seconds:10,.0f} tokens/s  {1000 * seconds:9.1f} ms"
                f"  {1000 * seconds / options.length:7.2f} ms a step",
                flush=True,
            )
            results.append({"side": side, "batch": batch, "seconds": seconds, "tokens_per_second": tokens / seconds})
            if options.json:
                content = {"machine": host, "options": vars(options), "results": results}
                options.json.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
    if not results:
        sys.exit("no side ran")


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="target tokens/s of beam search on a GPU", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--preset", default="base", help="size of the model: tiny, small, base or big")
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--batch", type=int, action="append", help="sentences at once; may be given several times")
    parser.add_argument("--length", type=int, default=18, help="tokens of a source, and of a translation")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=4, help="of PyTorch on the host")
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES), help="what is measured")
    parser.add_argument("--json", type=Path, help="write everything to this file, anew after each figure")
    return parser.parse_args(arguments)


def prepare(side: str, options: argparse.Namespace) -> Search:
    """The side's search; raises what a missing library or card raises."""
    device, precision = SIDES[side]
    if device == "cuda":
        return hugging_face(None, options, device=device, dtype=precision)[0]
    config = TransformerConfig.preset(options.preset, vocabulary_size=VOCABULARY)
    model = Transformer(config, seed=0, device=device, precision=precision)

    def search(source: np.ndarray, beam: int) -> list[list[int]]:
        limits = np.full(len(source), options.length)
        with matmul_precision(precision):
            found = beam_search(model, source, limits=limits, beam=beam, alpha=0.6)
        return [best.ids for best, *_ in found]

    return search


def measure(search: Search, batch: int, options: argparse.Namespace) -> tuple[float, int]:
    """(seconds, tokens) of one search: the median time, and the steps of all sentences."""
    source = np.random.default_rng(0).integers(3, VOCABULARY, (batch, options.length))
    source[:, -1] = 2
    times, tokens = [], sum(map(len, search(source, options.beam)))  # also the warm-up
    for _ in range(options.runs):
        start = time.perf_counter()
        search(source, options.beam)
        times.append(time.perf_counter() - start)
    return statistics.median(times), tokens


if __name__ == "__main__":
    main()
