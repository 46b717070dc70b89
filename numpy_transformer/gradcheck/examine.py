"""Examine cases one after another: whatever a layer does wrong becomes a part of the result, never an exception."""

import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from numpy_transformer.gradcheck.case import Case, GradientError
from numpy_transformer.gradcheck.check import ORACLES, Finding, assert_contract, check
from numpy_transformer.gradcheck.diagnosis import diagnose

PACKAGE = Path(__file__).resolve().parents[1]
# A mistake is in what calls these.
BETWEEN = (PACKAGE / "gradcheck", PACKAGE / "layers" / "arithmetic.py", PACKAGE / "backend")


@dataclass(frozen=True)
class Outcome:
    """What the check of one case found."""

    name: str
    layer: str  # the name without the variant in brackets
    findings: list[Finding]
    problem: str = ""  # what ended the check: an exception with its place, a broken rule
    case: Case | None = None  # absent if it could not be built

    @property
    def failures(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.passed]

    @property
    def passed(self) -> bool:
        return not self.problem and not self.failures


def examine(
    layer: str, build: Callable[[], Iterable[Case]], *, along: bool = False, oracles: Iterable[str] = ORACLES
) -> Iterator[Outcome]:
    """The outcome of every case of `layer` that `build` makes. Options as in `check`."""
    try:
        cases = list(build())
    except Exception as error:  # a forward that a reader changed may raise anything
        yield Outcome(layer, layer, [], describe(error))
        return
    for case in cases:
        findings: list[Finding] = []
        problem = ""
        try:
            with np.errstate(all="ignore"):  # a wrong backward may overflow; the table says what came of it
                findings = check(case, along=along, oracles=oracles)
                if all(finding.passed for finding in findings):
                    assert_contract(case)
        except Exception as error:  # so may a backward
            problem = describe(error)
        yield Outcome(case.name, case.layer, findings, problem, case)


def explained(outcome: Outcome) -> list[tuple[Finding, str]]:
    """Each wrong gradient once, compared entry by entry, and what kind of mistake it is ("" if of no known kind).

    Where the oracles agree, the complex step speaks for both.
    """
    wrong = {finding.parameter for finding in outcome.failures}
    if not wrong or outcome.case is None:
        return []
    with np.errstate(all="ignore"):
        whole = check(outcome.case, oracles=ORACLES[:1])
    right = {finding.parameter: finding.arrays[1] for finding in whole}
    results = []
    for finding in whole:
        if finding.parameter not in wrong:
            continue
        pair = [one for one in outcome.findings if one.parameter == finding.parameter]
        if len({one.passed for one in pair}) > 1:
            kind = "the oracles disagree: the forward is not analytic (abs, a conjugate, a choice not made on .real)"
        else:
            kind = diagnose(*finding.arrays, others=right)
        results.append((finding, kind))
    return results


def describe(error: Exception) -> str:
    """One line: the exception, and the line of the layer that raised it."""
    if isinstance(error, GradientError):
        return error.what
    said = " ".join(str(error).split())
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not {"numpy", "cupy"} & set(Path(frame.filename).parts)
        and not any(Path(frame.filename).is_relative_to(place) for place in BETWEEN)
    ]
    if not frames:
        return f"raised {type(error).__name__}: {said}"
    last = frames[-1]
    path = Path(last.filename)
    file = path.relative_to(PACKAGE) if path.is_relative_to(PACKAGE) else path
    return f"raised {type(error).__name__}{': ' * bool(said)}{said} at {file}:{last.lineno}: {last.line}"
