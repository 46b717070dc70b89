"""The learning curves of a run as one picture: loss, perplexity, BLEU and learning rate over the steps."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy_transformer.storage.atomic import atomic_write

PERPLEXITY_CEILING = 1e6  # an untrained model's is of no interest and would flatten the curve


def draw_curves(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw a run's log records (run_folder.py) to a PNG file, replaced in one piece."""
    from matplotlib.figure import Figure  # slow to import, and needs no display when used without pyplot

    steps = [record for record in records if record["kind"] == "step" and record["loss"] is not None]
    evaluations = [record for record in records if record["kind"] == "evaluation"]
    tests = [record for record in records if record["kind"] == "test"]

    figure = Figure(figsize=(11, 7), layout="constrained")
    (loss, perplexity), (bleu, rate) = figure.subplots(2, 2)

    loss.plot([r["step"] for r in steps], [r["loss"] for r in steps], label="training (label-smoothed)", alpha=0.8)
    loss.plot([r["step"] for r in evaluations], [r["loss"] for r in evaluations], label="validation")
    loss.set(title="Loss", ylabel="nats per token")
    loss.legend(frameon=False)

    perplexity.plot(
        [r["step"] for r in evaluations],
        [min(r["perplexity"], PERPLEXITY_CEILING) for r in evaluations],
        color="C1",
    )
    perplexity.set(title="Validation perplexity", yscale="log")

    bleu.plot(
        [r["step"] for r in evaluations], [r["bleu"] for r in evaluations], color="C2", label="validation, greedy"
    )
    for record in tests:
        bleu.plot(record["step"], record["bleu"], "*", color="C3", markersize=12, label="test, beam search")
    bleu.set(title="BLEU", ylim=(0, None))
    bleu.legend(frameon=False, loc="lower right")

    rate.plot([r["step"] for r in steps], [r["rate"] for r in steps], color="C4")
    rate.set(title="Learning rate")

    for axes in (loss, perplexity, bleu, rate):
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    with atomic_write(path) as file:
        file.write(picture.getvalue())
