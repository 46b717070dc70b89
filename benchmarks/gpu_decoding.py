"""Target tokens per second of beam search on a GPU, beside the same search on the CPU of the same machine.

    python benchmarks/gpu_decoding.py --preset base --batch 1 --batch 32 --batch 128

A model of random weights decodes random sentences to a fixed number of tokens each: what it says is noise, but the work
is a trained model's. The clock is the host's, from the call to the last token; the median of the runs is given. Each
step of the search moves one small array from the card to the host.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from machine import machine

from numpy_transformer.config import TransformerConfig
from numpy_transformer.decoding import beam_search
from numpy_transformer.model import Transformer


def main() -> None:
    parser = argparse.ArgumentParser(
        description="target tokens/s of beam search on a GPU", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--preset", default="base", help="size of the model: tiny, small, base or big")
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--beam", type=int, default=4)
    parser.add_argument("--batch", type=int, action="append", help="sentences at once; may be given several times")
    parser.add_argument("--length", type=int, default=18, help="tokens of a source; a translation has about as many")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--devices", nargs="+", choices=("gpu", "cpu"), default=["gpu", "cpu"])
    options = parser.parse_args()

    config = TransformerConfig.preset(options.preset, vocabulary_size=options.vocabulary)
    host = machine()
    print(f"{host['cpu']}, {host['cpus']} CPUs; {options.preset}, vocabulary {options.vocabulary}, beam {options.beam}")
    for device in options.devices:
        model = Transformer(config, seed=0, device=device)
        for batch in options.batch or [1, 32, 128]:
            seconds, tokens = measure(model, batch, options)
            print(f"{device}  batch {batch:4}  {tokens / seconds:10,.0f} tokens/s  {1000 * seconds:9.1f} ms")


def measure(model: Transformer, batch: int, options: argparse.Namespace) -> tuple[float, int]:
    """(seconds, tokens) of one search: the median time, and the steps of all sentences."""
    source = np.random.default_rng(0).integers(3, options.vocabulary, (batch, options.length))
    source[:, -1] = model.config.eos_id
    limits = np.full(batch, options.length)

    def search() -> int:
        found = beam_search(model, source, limits=limits, beam=options.beam, alpha=0.6)
        return sum(len(best.ids) + 1 for best, *_ in found)

    tokens = search()  # also the warm-up
    times = []
    for _ in range(options.runs):
        start = time.perf_counter()
        search()
        times.append(time.perf_counter() - start)
    return statistics.median(times), tokens


if __name__ == "__main__":
    main()
