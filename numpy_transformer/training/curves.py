"""The learning curves of a run as one picture: loss, perplexity, the task's measure and learning rate."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy_transformer.storage.atomic import atomic_write

PERPLEXITY_CEILING = 1e6  # an untrained model's is of no interest and would flatten the curve
LARGEST = 1e30  # near the largest double, Matplotlib's own sums overflow

# What a task measures beside the loss: the record's field, the title, and the labels of evaluations and test.
MEASURES = (
    ("bleu", "BLEU and chrF", ("BLEU, validation, greedy", "BLEU, test, beam search")),
    ("f1", "F1 of labelled brackets", ("validation, greedy", "test, beam search")),
    ("accuracy", "Accuracy", ("validation", "test")),
    ("word_error_rate", "Word error rate", ("validation, greedy", "test, beam search")),
    ("bits_per_byte", "Bits per byte", ("validation", "finished model")),
)


def draw_curves(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw a run's log records (run_folder.py) to a PNG file, replaced in one piece.

    A figure that is absent, not a number, not finite or too large to draw is a gap.
    """
    # Slow to import; without pyplot they need no display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    def plot(axes: Any, kind: str, name: str, *style: str, ceiling: float = math.inf, **options: Any) -> None:
        """The figure `name` of all records of this kind, over their steps."""
        chosen = [record for record in records if record.get("kind") == kind]
        steps, values = ([_figure(record.get(key)) for record in chosen] for key in ("step", name))
        axes.plot(steps, [ceiling if value > ceiling else value for value in values], *style, **options)

    figure = Figure(figsize=(11, 7), dpi=110, layout="constrained")
    (loss, perplexity), (quality, rate) = figure.subplots(2, 2)

    plot(loss, "step", "loss", label="training (label-smoothed)", alpha=0.8)
    plot(loss, "evaluation", "loss", label="validation")
    loss.set(title="Loss", ylabel="nats per token")
    loss.legend(frameon=False)

    plot(perplexity, "evaluation", "perplexity", color="C1", ceiling=PERPLEXITY_CEILING)
    perplexity.set(title="Validation perplexity", yscale="log")

    name, title, labels = next((measure for measure in MEASURES if any(measure[0] in r for r in records)), MEASURES[0])
    ceiling = 1.0 if name == "word_error_rate" else math.inf  # an untrained model's is of no interest
    plot(quality, "evaluation", name, color="C2", label=labels[0], ceiling=ceiling)
    plot(quality, "test", name, "*", color="C3", markersize=12, label=labels[1], ceiling=ceiling)
    if name == "bleu":
        plot(quality, "evaluation", "chrf", color="C5", label="chrF, validation, greedy")
        plot(quality, "test", "chrf", "*", color="C6", markersize=12, label="chrF, test, beam search")
    quality.set(title=title, ylim=(0, None))
    quality.legend(frameon=False, loc="lower right")

    plot(rate, "step", "rate", color="C4")
    rate.set(title="Learning rate")

    for axes in (loss, perplexity, quality, rate):
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)  # savefig would draw everything twice
    with atomic_write(path) as file:
        file.write(picture.getvalue())


def _figure(value: object) -> float:
    """A number that can be drawn, or NaN."""
    return float(value) if isinstance(value, int | float) and abs(value) < LARGEST else math.nan
