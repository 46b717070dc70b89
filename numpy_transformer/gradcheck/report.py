"""What the command prints: the table of all gradients, the first wrong layer, and the arrays behind a difference."""

from collections.abc import Iterator, Sequence

import numpy as np
from rich import box
from rich.markup import escape
from rich.table import Table

from numpy_transformer.gradcheck.check import TOLERANCES, Finding
from numpy_transformer.gradcheck.examine import Outcome, explained
from numpy_transformer.gradcheck.suite import derivation_of

CAPTION = (
    "Errors: the largest difference, relative to the largest entry of the gradient. Layers are checked entry by entry, "
    "blocks and the whole model along one random direction per parameter. Each derivation is at the top of the named "
    "file in numpy_transformer/, and in docs/gradients.md."
)


def table_of(outcomes: Sequence[Outcome]) -> Table:
    """A heading for each case with the file that derives it, then a row for each gradient or for what went wrong."""
    table = Table(title="Hand-written gradients compared with two oracles", box=box.SIMPLE_HEAD, caption_justify="left")
    table.add_column("gradient of", overflow="fold")
    table.add_column("shape", no_wrap=True)
    for oracle in TOLERANCES:
        table.add_column(oracle.replace(" ", "\n"), justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.caption = CAPTION
    for outcome in outcomes:
        table.add_row(f"[bold]{outcome.name}[/]  [dim]{derivation_of(outcome.layer)}[/]")
        for parameter, pair in _by_parameter(outcome.findings).items():
            shape = " x ".join(map(str, pair[0].shape))
            table.add_row(f"  {parameter}", shape, *(f"{one.error:.1e}" for one in pair), _verdict(pair))
        if outcome.problem:
            table.add_row(f"  {escape(outcome.problem)}", "", *("" for _ in TOLERANCES), "[bold red]WRONG[/]")
        table.add_section()
    return table


def details(outcome: Outcome, *, show: bool = False) -> Iterator[str]:
    """The lines that explain a wrong outcome, and the command that repeats it; `show` adds the arrays."""
    if outcome.problem:
        yield f"{outcome.name}: {outcome.problem}"
    for finding, kind in explained(outcome):
        yield (
            f"{outcome.name}: d{finding.parameter} {finding.shape} at {list(finding.index or ())}: "
            f"backward {finding.backward!r}, oracle {finding.expected!r}, relative error {finding.error:.1e}, "
            f"allowed {TOLERANCES[finding.oracle]:.0e}"
        )
        if kind:
            yield f"    {kind}"
        if show:
            yield from arrays(finding)
    if outcome.case is not None:
        yield f"    reproduce with: {outcome.case.command}" + ("" if show or outcome.problem else " --show")


def arrays(finding: Finding) -> Iterator[str]:
    """The gradient by the backward and by the oracle; of a wrong one also the quotient, entry by entry."""
    found, expected = finding.arrays
    named = {f"d{finding.parameter} by the backward": found, f"by the oracle ({finding.oracle})": expected}
    if not finding.passed and found.shape == expected.shape:
        with np.errstate(all="ignore"):
            named["backward / oracle"] = found / expected
    for name, array in named.items():
        yield f"    {name}"
        text = np.array2string(array, precision=5, suppress_small=True, max_line_width=110, threshold=400)
        yield from (f"        {line}" for line in text.split("\n") if line)


def first_wrong(outcomes: Sequence[Outcome]) -> tuple[Outcome, str] | None:
    """The first wrong outcome, and the line that says what to mend first; None if all is right."""
    wrong = [outcome for outcome in outcomes if not outcome.passed]
    if not wrong:
        return None
    first = wrong[0]
    gradients = ", ".join(f"d{name}" for name in _by_parameter(first.failures))
    line = f"First wrong: {first.name}{' ' * bool(gradients)}{gradients} ({derivation_of(first.layer)}). Mend it first."
    others = len({outcome.layer for outcome in wrong} - {first.layer})
    if others:
        what = "another layer is" if others == 1 else f"{others} more layers are"
        line += f" What contains it is wrong with it: {what} wrong; --all prints the details."
    return first, line


def _by_parameter(findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    pairs: dict[str, list[Finding]] = {}
    for finding in findings:
        pairs.setdefault(finding.parameter, []).append(finding)
    return pairs


def _verdict(findings: Sequence[Finding]) -> str:
    if all(finding.passed for finding in findings):
        return "[yellow]equal within rounding[/]" if any(f.limited for f in findings) else "[green]equal[/]"
    unwritten = all(np.isnan(finding.arrays[0]).all() for finding in findings)
    return f"[bold red]{'NOT WRITTEN' if unwritten else 'WRONG'}[/]"
