"""python -m numpy_transformer.gradcheck: compares every gradient of every layer with two oracles, in a table.

A layer may also be a call, such as "softmax(seed=4, width=7)": a case with sizes of one's own.
"""

import argparse
import functools
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

from rich.console import Console

from bpe.arguments import CommandParser
from numpy_transformer.backend.arrays import device_module
from numpy_transformer.errors import InputError
from numpy_transformer.gradcheck.check import TOLERANCES
from numpy_transformer.gradcheck.examine import Outcome, examine
from numpy_transformer.gradcheck.plot import FORMATS, draw_errors
from numpy_transformer.gradcheck.report import arrays, details, first_wrong, table_of
from numpy_transformer.gradcheck.suite import ALONG, SUITE, called
from numpy_transformer.program import add_version, run_program


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; status 1 if a gradient is wrong."""
    options = _parser().parse_args(arguments)
    unknown = [layer for layer in options.layers if layer not in SUITE and "(" not in layer]
    if unknown:
        raise InputError(f"unknown layer {unknown[0]!r}; choose from {', '.join(SUITE)}")
    if options.seed < 0:
        raise InputError(f"--seed is {options.seed}; it must be 0 or more")
    if options.plot and options.plot.suffix not in FORMATS:
        raise InputError(f"--plot {options.plot}: give a name that ends with one of {', '.join(FORMATS)}")
    started = time.perf_counter()
    outcomes = list(_outcomes(options.layers or list(SUITE), options.seed, device_module(options.device)))
    console = Console(width=None if sys.stdout is not None and sys.stdout.isatty() else 110)
    console.print(table_of(outcomes))
    print_line = functools.partial(console.print, markup=False, highlight=False, soft_wrap=True)
    first = first_wrong(outcomes)
    if first:
        print_line(first[1], style="bold red")
        for outcome in outcomes if options.all else [first[0]]:
            if not outcome.passed:
                for line in details(outcome, show=options.show):
                    print_line(line)
    elif options.show and options.layers:
        for finding in (f for outcome in outcomes for f in outcome.findings if f.oracle == "complex step"):
            print_line(f"{finding.layer}: d{finding.parameter} {finding.shape}")
            for line in arrays(finding):
                print_line(line)
    elif options.show:
        print_line("Nothing is wrong; name a LAYER to see its gradients.")
    print_line(_summary(outcomes) + f" {time.perf_counter() - started:.1f} s")
    if options.plot:
        draw_errors(options.plot, seed=options.seed)
        print_line(f"Wrote {options.plot}")
    return 1 if first else 0


def _outcomes(layers: Sequence[str], seed: int, xp: ModuleType) -> Iterable[Outcome]:
    calls = {layer: called(layer, xp) for layer in layers if layer not in SUITE}  # before anything is checked
    for layer in layers:
        if layer in calls:
            name, build = calls[layer]
            yield from examine(name, build, along=name in ALONG)
        else:
            yield from examine(layer, functools.partial(SUITE[layer], seed, xp), along=layer in ALONG)


def _summary(outcomes: Sequence[Outcome]) -> str:
    findings = [finding for outcome in outcomes for finding in outcome.findings]
    wrong = sum(not finding.passed for finding in findings)
    gradients = len(findings) // len(TOLERANCES)
    text = f"{gradients} gradient{'s' * (gradients != 1)}, {wrong} disagreement{'s' * (wrong != 1)}"
    ended = sum(bool(outcome.problem) for outcome in outcomes)
    if ended:
        text += f", {ended} of {len(outcomes)} cases could not be checked"
    worst = {oracle: max((f.error for f in findings if f.oracle == oracle), default=0.0) for oracle in TOLERANCES}
    errors = (f"{oracle} {error:.1e} (allowed {TOLERANCES[oracle]:.0e})" for oracle, error in worst.items())
    return f"{text}. Worst errors: {', '.join(errors)}."


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="python -m numpy_transformer.gradcheck", description=__doc__)
    add_version(parser)
    parser.add_argument("layers", nargs="*", metavar="LAYER", help=f"one or more of: {', '.join(SUITE)} (default: all)")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where the layers run (default: cpu)")
    parser.add_argument(
        "--seed", type=int, default=0, help="draws inputs, parameters and upstream gradients (default: 0)"
    )
    parser.add_argument("--show", action="store_true", help="print both arrays of each gradient in the details")
    parser.add_argument("--all", action="store_true", help="details of every wrong layer, not only of the first")
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="also draw the error against the step size for both oracles"
    )
    return parser


if __name__ == "__main__":
    sys.exit(run_program(main))
