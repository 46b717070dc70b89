"""Table 3 of the paper at a laptop's scale: which parts of the model matter, on the phrasebook.

    python benchmarks/table3.py RUNS [--steps 2000] [--seeds 0 1] [--only A C ...] [--config FILE.toml]

The base model is `tiny`. Each row changes what the paper's row changes, trains for equally many updates on the same
pairs, and counts with the validation loss and BLEU of its last evaluation, as mean and range over the seeds. The last
column says which way the paper's own figure went (BLEU of newstest2013), to be compared with ours.

Not here: row B, the size of the keys apart from the width, and row E, learned positions in the encoder-decoder. The
model has neither; LanguageModel and Encoder have learned positions.
"""

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy_transformer as nt
from numpy_transformer.errors import InputError
from numpy_transformer.program import run_program
from numpy_transformer.training.options import read_toml
from numpy_transformer.training.run_folder import RunFolder


class Row(NamedTuple):
    """A row of the table: the part of the model that it changes, and what the paper found."""

    part: str
    name: str
    changes: dict[str, Any]
    paper: str  # BLEU of its row beside that of its base, 25.8


ROWS = [
    Row("", "base", {}, "25.8"),
    Row("A", "1 head", {"heads": 1}, "1 of 8: 24.9, worse"),
    Row("A", "2 heads", {"heads": 2}, "half: 25.5, worse"),
    Row("A", "8 heads", {"heads": 8}, "twice: 25.8, equal"),
    Row("A", "16 heads", {"heads": 16}, "four times: 25.4, worse"),
    Row("C", "1 + 1 layers", {"layers": 1}, "2 of 6: 23.7, worse"),
    Row("C", "3 + 3 layers", {"layers": 3}, "4 of 6: 25.3, worse"),
    Row("C", "6 + 6 layers", {"layers": 6}, "8 of 6: 25.5, worse"),
    Row("C", "width 64", {"d_model": 64}, "half the width: 24.5, worse"),
    Row("C", "width 256", {"d_model": 256}, "twice the width: 26.0, better"),
    Row("C", "inner width 128", {"d_ff": 128}, "half: 25.4, worse"),
    Row("C", "inner width 512", {"d_ff": 512}, "twice: 26.2, better"),
    Row("D", "dropout 0", {"dropout": 0.0}, "24.6, worse"),
    Row("D", "dropout 0.2", {"dropout": 0.2}, "25.5, worse"),
    Row("D", "label smoothing 0", {"label_smoothing": 0.0}, "25.3, worse"),
    Row("D", "label smoothing 0.2", {"label_smoothing": 0.2}, "25.7, worse"),
]
# The base has dropout and smoothing, as in the paper, though the phrasebook's own recipe has little of both.
BASE: dict[str, Any] = {"dropout": 0.1, "label_smoothing": 0.1}


class Result(NamedTuple):
    """What one run came to."""

    parameters: int
    loss: float
    bleu: float


def trained(row: Row, seed: int, runs: Path, steps: int, options: dict[str, Any]) -> Result:
    """The run of one row and seed: made, continued, or only read."""
    folder = RunFolder(runs / f"{row.name.replace(' ', '-').replace('+', 'and')}-seed-{seed}")
    if not folder.exists():
        told = {**BASE, **options, **row.changes, "seed": seed, "steps": steps, "evaluate_every": steps}
        nt.train(run=folder.path, quiet=True, **told)
    elif not any(record["kind"] == "test" for record in folder.read_log()):
        nt.train(run=folder.path, resume=True, quiet=True)
    last = [record for record in folder.read_log() if record["kind"] == "evaluation"][-1]
    model = nt.Transformer.load(folder.step_files()[-1])
    return Result(model.parameters.flat.size, last["loss"], last["bleu"])


def spread(values: Sequence[float], digits: int) -> str:
    """Mean, and lowest and highest."""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.{digits}f} - {max(values):.{digits}f})"


def table(runs: Path, steps: int, seeds: Sequence[int], only: Sequence[str], options: dict[str, Any]) -> None:
    """Train and print, row by row."""
    known = sorted({row.part for row in ROWS if row.part})
    for part in only:
        if part not in known:
            raise InputError(f"--only {part}: choose from {', '.join(known)}")
    print(f"{steps:,} updates, seeds {', '.join(map(str, seeds))}; mean (lowest - highest)\n")
    print("| | change | parameters | validation loss | BLEU | the paper's BLEU |")
    print("|---|---|---|---|---|---|", flush=True)
    for row in ROWS:
        if only and row.part and row.part not in only:
            continue
        results = [trained(row, seed, runs, steps, options) for seed in seeds]
        losses, scores = spread([r.loss for r in results], 4), spread([r.bleu for r in results], 1)
        size = f"{results[0].parameters:,}"
        print(f"| {row.part} | {row.name} | {size} | {losses} | {scores} | {row.paper} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", metavar="RUNS", type=Path, help="where the rows' run folders stand")
    parser.add_argument("--steps", type=int, default=2000, help="updates of each row (%(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", default=[], metavar="PART", help="A, C or D, beside the base")
    parser.add_argument("--config", metavar="FILE.toml", help="options of train.py for all rows, such as another text")
    told = parser.parse_args()
    options = {} if told.config is None else read_toml(told.config)
    table(told.runs, told.steps, told.seeds, told.only, options)


if __name__ == "__main__":
    sys.exit(run_program(main))
