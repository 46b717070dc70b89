"""Attention of one long sentence, forward and backward: in blocks, plain, and PyTorch's scaled_dot_product_attention.

    python benchmarks/attention.py                        # lengths 64 to 8,192, one thread each
    python benchmarks/attention.py --lengths 4096 --threads 2 --causal

All sides get the same random query, key and value of one sentence, D 512 in 8 heads, float32, and the same gradient of
the result; they return three gradients. They take turns in one process; the table gives the median of the rounds. With
several threads, PyTorch uses its own. Ours gives each thread a share of the heads, with single-threaded BLAS, just as a
trainer's workers share the sentences of a batch. Memory is the peak above the inputs and the outputs, by tracemalloc.
It counts only NumPy's arrays, so there is no such figure for PyTorch. Plain attention is left out if its weights would
take more than 2 GB.
"""

import argparse
import json
import os
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from machine import available_cpus, libraries, machine

ROOT = Path(__file__).resolve().parents[1]
D, H = 512, 8
MOST_WEIGHTS = 2e9  # bytes


def main() -> None:
    options = parse_options()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, available_cpus()[: options.threads])
    host = machine()
    rows = [measure(length, options) for length in options.lengths]
    lines = [
        f"{host['cpu']}, {host['cpus']} CPUs, load {host['load']}; {host['system']}; Python {host['python']}",
        *(f"{name} {text}" for name, text in libraries().items()),
        f"one sentence, D {D}, {H} heads, {'causal' if options.causal else 'no mask'}, float32, forward and backward; "
        f"{options.threads} thread(s); median of {options.rounds} rounds",
        "",
        f"{'length':>8}{'blocked s':>12}{'plain s':>10}{'PyTorch s':>11}{'blocked/PyTorch':>17}{'blocked/plain':>15}"
        f"{'blocked MB':>12}{'plain MB':>10}",
    ]
    for row in rows:
        plain, plain_memory = row.get("plain"), row.get("plain_memory")
        lines.append(
            f"{row['length']:8,}{row['blocked']:12.4f}{number(plain, '.4f'):>10}{row['torch']:11.4f}"
            f"{row['blocked'] / row['torch']:17.2f}{number(plain and row['blocked'] / plain, '.2f'):>15}"
            f"{row['blocked_memory'] / 1e6:12.1f}{number(plain_memory and plain_memory / 1e6, '.1f'):>10}"
        )
    print("\n".join(lines))
    if options.json:
        options.json.write_text(json.dumps({"machine": host, "rows": rows}, indent=1, default=str) + "\n")
    if options.plot:
        draw(rows, options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="attention of one long sentence", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--lengths", type=int, nargs="+", default=[2**n for n in range(6, 14)], help="tokens")
    parser.add_argument("--threads", type=int, default=1, help="CPUs: our threads, PyTorch's threads")
    parser.add_argument("--causal", action="store_true", help="with the mask of a decoder")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--json", type=Path, help="write everything measured to this file")
    parser.add_argument("--plot", type=Path, help="draw time and memory into this PNG")
    options = parser.parse_args()
    if H % options.threads:
        parser.error(f"--threads must divide the {H} heads")
    return options


def number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def measure(length: int, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds and bytes of each side at one length."""
    sides, memory = prepare(length, options)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(options.rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            seconds[name].append(time.perf_counter() - start)
    result: dict[str, Any] = {"length": length, "seconds": seconds}
    for name in sides:
        result[name] = statistics.median(seconds[name])
    for name, side in memory.items():
        tracemalloc.start()
        side()
        result[f"{name}_memory"] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return result


def prepare(
    length: int, options: argparse.Namespace
) -> tuple[dict[str, Callable[[], None]], dict[str, Callable[[], None]]]:
    """The sides to time, and those whose memory to measure."""
    sys.path.insert(0, str(ROOT))
    import numpy as np
    import torch
    from threadpoolctl import threadpool_limits

    from numpy_transformer.layers.attention import (
        causal_mask,
        scaled_dot_product_attention_backward,
        scaled_dot_product_attention_forward,
    )
    from numpy_transformer.layers.blocked_attention import blocked_attention_backward, blocked_attention_forward

    torch.set_num_threads(options.threads)
    threadpool_limits(1, user_api="blas")
    torch.set_num_threads(options.threads)
    arrays = np.random.default_rng(0).normal(size=(4, 1, H, length, D // H)).astype(np.float32)
    results = np.empty((3, 1, H, length, D // H), np.float32)
    share = H // options.threads
    pool = ThreadPoolExecutor(options.threads)

    def ours(forward: Callable[..., Any], backward: Callable[..., None]) -> Callable[[], None]:
        def heads(first: int) -> None:
            query, key, value, dcontext = arrays[:, :, first : first + share]
            dquery, dkey, dvalue = results[:, :, first : first + share]
            mask = causal_mask(length, query) if options.causal else None
            _, cache = forward(query=query, key=key, value=value, mask=mask)
            backward(dcontext, cache, dquery=dquery, dkey=dkey, dvalue=dvalue)

        return lambda: list(pool.map(heads, range(0, H, share))) and None

    *inputs, upstream = (torch.tensor(array) for array in arrays)
    for tensor in inputs:
        tensor.requires_grad_()

    def peer() -> None:
        context = torch.nn.functional.scaled_dot_product_attention(*inputs, is_causal=options.causal)
        torch.autograd.grad(context, inputs, upstream)

    memory = {"blocked": ours(blocked_attention_forward, blocked_attention_backward)}
    if 4 * H * length**2 <= MOST_WEIGHTS:
        memory["plain"] = ours(scaled_dot_product_attention_forward, scaled_dot_product_attention_backward)
    return {**memory, "torch": peer}, memory


def draw(rows: list[dict[str, Any]], options: argparse.Namespace) -> None:
    """Time and memory against the length."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((10, 4), layout="constrained", dpi=100)
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    titles = {"blocked": "in blocks", "plain": "plain", "torch": "PyTorch"}
    for panel, ending, scale in ((left, "", 1), (right, "_memory", 1e-6)):
        for name, title in titles.items():
            points = [(row["length"], row[name + ending] * scale) for row in rows if name + ending in row]
            if points:
                panel.plot(*zip(*points, strict=True), marker="o", label=title)
        panel.set_xscale("log", base=2)
        panel.set_yscale("log")
        panel.set_xlabel("length (tokens)")
        panel.grid(alpha=0.3)
        panel.legend()
    left.set_title(f"seconds, forward and backward, {options.threads} thread(s)")
    right.set_title("peak memory above inputs and outputs, MB")
    figure.savefig(options.plot)


if __name__ == "__main__":
    main()
