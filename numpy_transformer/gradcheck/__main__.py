"""python -m numpy_transformer.gradcheck: compares every gradient of every layer with two oracles, in a table."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from numpy_transformer.backend.arrays import device_module
from numpy_transformer.errors import InputError
from numpy_transformer.gradcheck.check import TOLERANCES, Finding, assert_contract, check
from numpy_transformer.gradcheck.plot import FORMATS, draw_errors
from numpy_transformer.gradcheck.suite import ALONG, SUITE, derivation_of
from numpy_transformer.program import run_program


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; status 1 if a gradient is wrong."""
    options = _parser().parse_args(arguments)
    unknown = [layer for layer in options.layers if layer not in SUITE]
    if unknown:
        raise InputError(f"unknown layer {unknown[0]!r}; choose from {', '.join(SUITE)}")
    if options.seed < 0:
        raise InputError(f"--seed is {options.seed}; it must be 0 or more")
    if options.plot and options.plot.suffix not in FORMATS:
        raise InputError(f"--plot {options.plot}: give a name that ends with one of {', '.join(FORMATS)}")
    xp = device_module(options.device)
    started = time.perf_counter()
    console = Console(width=None if sys.stdout is not None and sys.stdout.isatty() else 110)
    findings: list[Finding] = []
    table = Table(title="Hand-written gradients compared with two oracles", box=box.SIMPLE_HEAD, caption_justify="left")
    table.add_column("gradient of", overflow="fold")
    table.add_column("shape", no_wrap=True)
    for oracle in TOLERANCES:
        table.add_column(oracle.replace(" ", "\n"), justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for layer in options.layers or SUITE:
        for case in SUITE[layer](options.seed, xp):
            assert_contract(case)
            found = check(case, along=layer in ALONG)
            _add_rows(table, case.name, derivation_of(layer), found)
            findings += found
    table.caption = (
        "Errors: the largest difference, relative to the largest entry of the gradient. Layers are checked entry by "
        "entry, blocks and the whole model along one random direction per parameter. Each derivation is at the top "
        "of the named file in numpy_transformer/, and in docs/gradients.md."
    )
    console.print(table)
    failures = [finding for finding in findings if not finding.passed]
    for finding in failures:
        console.print(str(finding), style="red", markup=False, highlight=False, soft_wrap=True)
        group = finding.layer.partition(" (")[0]
        console.print(f"    or: python -m numpy_transformer.gradcheck {group} --seed {options.seed}", highlight=False)
    worst = {oracle: max(f.error for f in findings if f.oracle == oracle) for oracle in TOLERANCES}
    console.print(
        f"{len(findings) // len(TOLERANCES)} gradients, {len(failures)} disagreements. Worst errors: "
        + ", ".join(f"{oracle} {error:.1e} (allowed {TOLERANCES[oracle]:.0e})" for oracle, error in worst.items())
        + f". {time.perf_counter() - started:.1f} s",
        highlight=False,
        soft_wrap=True,
    )
    if options.plot:
        draw_errors(options.plot, seed=options.seed)
        console.print(f"Wrote {options.plot}", soft_wrap=True)
    return 1 if failures else 0


def _add_rows(table: Table, name: str, derivation: str, findings: Sequence[Finding]) -> None:
    """A heading with the layer and where it is derived, then a row for each gradient."""
    table.add_row(f"[bold]{name}[/]  [dim]{derivation}[/]")
    by_parameter: dict[str, list[Finding]] = {}
    for finding in findings:
        by_parameter.setdefault(finding.parameter, []).append(finding)
    for number, (parameter, pair) in enumerate(by_parameter.items()):
        table.add_row(
            f"  {parameter}",
            " x ".join(map(str, pair[0].shape)),
            *(f"{finding.error:.1e}" for finding in pair),
            _verdict(pair),
            end_section=number == len(by_parameter) - 1,
        )


def _verdict(findings: Sequence[Finding]) -> str:
    if not all(finding.passed for finding in findings):
        return "[bold red]WRONG[/]"
    return "[yellow]equal within rounding[/]" if any(f.limited for f in findings) else "[green]equal[/]"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m numpy_transformer.gradcheck", description=__doc__)
    parser.add_argument("layers", nargs="*", metavar="LAYER", help=f"one or more of: {', '.join(SUITE)} (default: all)")
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where the layers run (default: cpu)")
    parser.add_argument(
        "--seed", type=int, default=0, help="draws inputs, parameters and upstream gradients (default: 0)"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="also draw the error against the step size for both oracles"
    )
    return parser


if __name__ == "__main__":
    sys.exit(run_program(main))
