"""Where ternary training breaks and what helps: python benchmarks/ternary_variants.py [--steps N] [--only WORD]

Trains a small translator (4 + 4 layers of width 64, 1,000 tokens) on the phrasebook for a few hundred steps in each of
several ways, all else equal, and prints the validation loss and BLEU of each: one change at a time to the recipe (rate,
warmup, width), or to what is rounded and how (a scale per column, first and last layers float). The last two are
changed here only, by replacing the functions of numpy_transformer/layers/ternary.py; --weights ternary has one way.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from machine import cpu_model

import numpy_transformer as nt
from numpy_transformer.backend.arrays import Array
from numpy_transformer.layers import ternary as rounding
from numpy_transformer.program import run_program


def scale_per_column(weight: Array) -> tuple[Array, Array]:
    """W (I, O) -> T (I, O), and a scale for each output (1, O): the mean of the magnitudes of its column."""
    scale = np.abs(weight).mean(axis=0, keepdims=True)
    return np.sign(weight) * (np.abs(weight) > scale / 2), scale


def inner_layer(name: str) -> bool:
    """Whether a parameter is rounded when the first and the last of four layers of each stack are not."""
    return ORIGINAL_CHOICE(name) and name.split(".")[1] in ("1", "2")


ORIGINAL_CHOICE = rounding.is_rounded


class Variant(NamedTuple):
    """What differs from the phrasebook's own recipe with ternary weights."""

    name: str
    options: dict[str, Any]
    replaced: tuple[str, Callable[..., Any]] | None = None  # a function of layers/ternary.py


BASE = {"weights": "ternary", "d_model": 64, "d_ff": 128, "vocabulary": 1000, "warmup": 150}
WIDER = {"d_model": 128, "d_ff": 256}
FLOAT = {"weights": "float"}
VARIANTS = [
    Variant("float", FLOAT),
    Variant("ternary", {}),
    Variant("rate / 4", {"rate_scale": 0.125}),
    Variant("rate x 4", {"rate_scale": 2.0}),
    Variant("rate x 4, float", {"rate_scale": 2.0, **FLOAT}),
    Variant("warmup 50", {"warmup": 50}),
    Variant("width 128", WIDER),
    Variant("width 128, float", {**WIDER, **FLOAT}),
    Variant("scale per column", {}, ("ternary", scale_per_column)),
    Variant("first and last float", {}, ("is_rounded", inner_layer)),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300, metavar="N", help="of each run (300)")
    parser.add_argument("--only", default="", metavar="WORD", help="the variants whose name contains it")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    arguments = parser.parse_args()
    print(f"{'':22} {'loss':>6} {'BLEU':>6} {'chrF':>6}   after {arguments.steps} steps")
    for variant in VARIANTS:
        if arguments.only in variant.name:
            print(row_of(variant, arguments.steps, arguments.workers), flush=True)
    print(f"validation: 167 sentences, greedy; {cpu_model()}, NumPy {np.__version__}")


def row_of(variant: Variant, steps: int, workers: int) -> str:
    options = {**BASE, "evaluate_every": steps, **variant.options}
    change = nullcontext() if variant.replaced is None else patch.object(rounding, *variant.replaced)
    with tempfile.TemporaryDirectory() as folder, change:
        run = nt.train(
            run=Path(folder, "run"),
            quiet=True,
            steps=steps + 1,  # ended by the callback at `steps`, so that the test text is not translated
            workers=workers,
            callback=lambda step: step.step < steps,
            **options,
        )
        [found] = [record for record in run.log() if record["kind"] == "evaluation"]
    return f"{variant.name:22} {found['loss']:6.3f} {found['bleu']:6.1f} {found['chrf']:6.1f}"


if __name__ == "__main__":
    sys.exit(run_program(main))
