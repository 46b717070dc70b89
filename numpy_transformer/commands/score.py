"""Measure translations against references: python score.py REFERENCES TRANSLATIONS ...; see --help.

Several files of translations are compared with the first by paired bootstrap resampling (Koehn 2004, "Statistical
Significance Tests for Machine Translation Evaluation"): the test set is drawn again and again from its own sentences,
with replacement, and the same draw is used for both systems. sacreBLEU does the work.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from numpy_transformer.errors import InputError
from numpy_transformer.program import run_program

SAMPLES = 1000


def parse_arguments(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="BLEU and chrF of translations, one sentence per line. With several files of translations: does "
        "each differ from the first, or is it chance?"
    )
    parser.add_argument("references", metavar="REFERENCES", help="text file, UTF-8; .gz and .xz too")
    parser.add_argument("translations", nargs="+", metavar="TRANSLATIONS", help="as many lines, in the same order")
    parser.add_argument("--ter", action="store_true", help="translation edit rate too: less is better (slow)")
    parser.add_argument("--tokenised", action="store_true", help="the text is tokenised: BLEU of its tokens too")
    parser.add_argument("--lowercase", action="store_true", help="BLEU without case, where figures were published so")
    parser.add_argument(
        "--samples", type=int, default=SAMPLES, metavar="N", help="that the bootstrap draws; 0 for none (%(default)s)"
    )
    return parser.parse_args(arguments)


def metrics_of(options: argparse.Namespace) -> dict[str, Any]:
    """sacreBLEU's metrics that the options ask for, by the heads of their columns."""
    from sacrebleu.metrics import CHRF, TER

    from numpy_transformer.training.metrics import bleu_metric

    metrics = {"BLEU": bleu_metric(lowercase=options.lowercase), "chrF2": CHRF()}
    if options.tokenised:
        metrics["BLEU of tokens"] = bleu_metric(lowercase=options.lowercase, tokenised=True)
    if options.ter:
        metrics["TER"] = TER()
    return metrics


def score(options: argparse.Namespace) -> None:
    """Read, measure and print as the options say."""
    from numpy_transformer.data.files import read_lines
    from numpy_transformer.training.metrics import looks_tokenised

    if options.samples < 0 or options.samples == 1:
        raise InputError(f"--samples is {options.samples}; it must be 0, or at least 2")
    if len(set(options.translations)) < len(options.translations):
        raise InputError("a file of translations is named twice: name each once")
    references = read_lines(options.references)
    if not references:
        raise InputError(f"{options.references}: is empty: give a file with one sentence per line")
    systems: list[tuple[str, Sequence[str]]] = [(name, read_lines(name)) for name in options.translations]
    for name, lines in systems:
        if len(lines) != len(references):
            raise InputError(
                f"{name} has {len(lines):,} lines but {options.references} has {len(references):,}: "
                "line i of one must translate what line i of the other does"
            )
    if looks_tokenised(references) and not options.tokenised:
        print(f"{options.references} looks tokenised: --tokenised adds the BLEU of its tokens", file=sys.stderr)

    metrics = metrics_of(options)
    signatures, columns = measured(systems, references, metrics, samples=options.samples)
    print_table([name for name, _ in systems], columns)
    for name, signature in signatures.items():
        print(f"{name}: {signature}")
    if len(systems) > 1 and options.samples:
        print(
            "p: how likely so large a difference from the first system is by chance "
            f"(paired bootstrap, {options.samples:,} samples)"
        )


def measured(
    systems: list[tuple[str, Sequence[str]]], references: Sequence[str], metrics: dict[str, Any], *, samples: int
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """(signature of each metric, a column of cells for each metric)."""
    if samples == 0:
        scores = {
            name: [f"{metric.corpus_score(lines, [references]).score:.2f}" for _, lines in systems]
            for name, metric in metrics.items()
        }
        return {name: str(metric.get_signature()) for name, metric in metrics.items()}, scores
    from sacrebleu.significance import PairedTest

    test = PairedTest(systems, metrics, [references], test_type="bs", n_samples=samples)
    signatures, results = test()
    return (
        {name: str(signatures[name]) for name in metrics},
        {name: [cell(result) for result in results[name]] for name in metrics},
    )


def cell(result: Any) -> str:
    """A score, its interval of 95%, and its p against the first system, if there is one."""
    interval = f"{result.mean:.1f} +- {result.ci:.1f}"
    p = "" if result.p_value is None else f", p = {result.p_value:.4f}"
    return f"{result.score:.2f} ({interval}{p})"


def print_table(names: Sequence[str], columns: Mapping[str, list[str]]) -> None:
    """A row for each system."""
    cells = [["", *names], *([name, *column] for name, column in columns.items())]
    widths = [max(map(len, column)) for column in cells]
    for row in zip(*cells, strict=True):
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def main() -> int:
    """Entry point of `numpy-transformer-score`."""
    return run_program(lambda: score(parse_arguments(None)))
