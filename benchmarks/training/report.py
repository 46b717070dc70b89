"""The output of training_step.py; run on its own, it plots several of its results:

PYTHONPATH=. python benchmarks/training/report.py plot.png result.json ...
"""

import argparse
import json
import statistics
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

TITLES = {
    "ours": "numpy_transformer",
    "ours-1": "numpy_transformer, 1 CPU",
    "torch": "PyTorch eager",
    "torch-compile": "PyTorch compiled",
    "torch-bf16": "PyTorch bf16 autocast",
    "jax": "JAX jit",
}


def title(side: str) -> str:
    return TITLES[side]


def work(options: dict[str, Any]) -> str:
    """Describe the batches of a run."""
    if options["multi30k"]:
        return f"Multi30k, up to {options['tokens']:,} tokens a side"
    return f"{options['tokens'] // options['length']} sentences of {options['length']} source and target tokens"


def report(rounds: dict[str, list[dict[str, Any]]], options: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The printed table, and its figures by side."""
    counts = {side: results[0]["parameters"] for side, results in rounds.items()}
    if len(set(counts.values())) != 1:
        raise AssertionError(f"the models differ in size: {counts}")
    threads = {side: 1 if side == "ours-1" else options.workers for side in rounds}
    one_cpu = max(r["matmul_flops_per_second"] / threads[side] for side, results in rounds.items() for r in results)
    used: dict[str, str] = {}
    for results in rounds.values():
        used = results[0]["libraries"] | used  # ours first: the peers import NumPy too
    loads = [r["load"] for results in rounds.values() for r in results]
    lines = [
        f"{options.preset}, vocabulary {options.vocabulary:,}, {counts['ours']:,} parameters; {work(vars(options))}; "
        f"{options.workers} CPUs; {options.rounds} rounds",
        f"load {min(loads)} - {max(loads)}, the benchmark's own {options.workers} included",
        *(f"{name} {text}" for name, text in used.items()),
        "",
        f"{'':24}{'target tokens/s':>17}{'(low - high)':>20}{'step ms':>10}{'CPU ms':>9}{'of peak':>9}"
        f"{'matmul GFLOP/s':>16}{'memory MB':>11}",
    ]
    summary: dict[str, Any] = {"matmul_peak_of_a_cpu": one_cpu}
    for side, results in rounds.items():
        speeds = [r["tokens_per_second"] for r in results]
        share = statistics.median(r["flops_per_second"] for r in results) / (one_cpu * threads[side])
        matmul = max(r["matmul_flops_per_second"] for r in results)
        memory = max(r["peak_memory"] or 0 for r in results)
        summary[side] = {"tokens_per_second": statistics.median(speeds), "of_peak": share, "memory": memory}
        lines.append(
            f"{TITLES[side]:24}{statistics.median(speeds):17,.0f}{f'({min(speeds):,.0f} - {max(speeds):,.0f})':>20}"
            f"{1e3 * statistics.median(r['step_seconds'] for r in results):10,.0f}"
            f"{1e3 * statistics.median(r['step_processor_seconds'] for r in results):9,.0f}{share:9.0%}"
            f"{matmul / 1e9:16,.0f}{memory / 1e6:11,.0f}"
        )
    for other in list(rounds)[1:]:
        ratio = summary["ours"]["tokens_per_second"] / summary[other]["tokens_per_second"]
        pairs = [
            ours["tokens_per_second"] / theirs["tokens_per_second"]
            for ours, theirs in zip(rounds["ours"], rounds[other], strict=True)
        ]
        memory = summary["ours"]["memory"] / max(1, summary[other]["memory"])
        summary[other] |= {"ratio": ratio, "lowest": min(pairs), "highest": max(pairs), "memory_ratio": memory}
        lines.append(
            f"ours / {TITLES[other]}: {ratio:.2f}x the speed ({min(pairs):.2f} - {max(pairs):.2f} by round), "
            f"{memory:.2f}x the memory"
        )
    return "\n".join(lines), summary


def layer_table(layers: dict[str, float]) -> str:
    """Our milliseconds by row, with all matrix products together as the last; nothing without rows."""
    if not layers:
        return ""
    total = sum(layers.values())
    products = sum(seconds for row, seconds in layers.items() if "matrix products" in row)
    rows = [*layers.items(), ("(all matrix products)", products), ("(the step)", total)]
    lines = [f"{row:44}{1e3 * seconds:10.1f}{seconds / total:9.1%}" for row, seconds in rows]
    heading = f"where our time goes, 1 worker on 1 CPU{'':6}{'ms a step':>10}{'share':>9}"
    return "\n".join(["", "", heading, *lines])


# --- The plot ---


def plot(file: Path, results: list[dict[str, Any]]) -> None:
    """Left: how many times as fast ours is, by run and peer. Right: where our time goes, if a run recorded it."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(14, 6), layout="constrained")
    peers = [side for side in TITLES if any(side in r["summary"] for r in results) and not side.startswith("ours")]
    for number, peer in enumerate(peers):
        offsets = [i + 0.8 * (number + 0.5) / len(peers) - 0.4 for i in range(len(results))]
        shown = [(y, r["summary"][peer]) for y, r in zip(offsets, results, strict=True) if peer in r["summary"]]
        ratios = [s["ratio"] for _, s in shown]
        bars = left.barh([y for y, _ in shown], ratios, 0.8 / len(peers), label=f"ours / {TITLES[peer]}")
        left.bar_label(bars, [f"{ratio:.2f}" for ratio in ratios], padding=2, fontsize=8)
    left.axvline(1, color="black", linewidth=0.8)
    left.set_yticks(range(len(results)), [_run_name(r["options"]) for r in results])
    left.invert_yaxis()
    left.margins(x=0.12)
    left.set_xlabel("target tokens per second, ours over the peer's")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2, fontsize=8)

    for position, result in enumerate(r for r in results if r["layer_seconds"]):
        start, total = 0.0, sum(result["layer_seconds"].values())
        for color, (group, seconds) in enumerate(_grouped(result["layer_seconds"]).items()):
            label = group if position == 0 else None
            right.barh(
                position,
                seconds / total,
                left=start,
                color=pyplot.get_cmap("Set2")(color),
                label=label,
                edgecolor="white",
            )
            start += seconds / total
    named = [_run_name(r["options"]) for r in results if r["layer_seconds"]]
    right.set_yticks(range(len(named)), named)
    right.invert_yaxis()
    right.set_xlabel("share of our step, 1 worker")
    right.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=3, fontsize=8)
    figure.suptitle(f"A training step on {results[0]['machine']['cpu']}, {results[0]['options']['workers']} CPUs")
    figure.savefig(file, dpi=120)


def _run_name(options: dict[str, Any]) -> str:
    work_name = "Multi30k" if options["multi30k"] else f"length {options['length']}"
    return f"{options['preset']}, {work_name}" + (f",\n{options['coretype']} kernels" if options["coretype"] else "")


def _grouped(layers: dict[str, float]) -> dict[str, float]:
    """The rows of the table, grouped so that they can be told apart, in a fixed order."""
    kinds = {
        "linear: matrix products": "products: linear layers",
        "output loss: matrix products": "products: logits",
        "attention: matrix products": "products: attention",
        "cross entropy": "cross-entropy",
        "layer norm": "layer norm",
        "softmax": "softmax",
        "dropout": "dropout",
        "dropout masks": "dropout",
    }
    grouped: dict[str, float] = defaultdict(float, dict.fromkeys(kinds.values(), 0.0))
    for row, seconds in layers.items():
        grouped[kinds.get(row, "everything else")] += seconds
    return grouped


if __name__ == "__main__":
    plot(Path(sys.argv[1]), [json.loads(Path(name).read_text()) for name in sys.argv[2:]])
