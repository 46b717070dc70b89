"""Check a layer's backward against both oracles, and against the rules that every layer follows.

What counts as equal. With u = 2^-53, a backward that sums n terms of size t has an error of at most about n u t, in
practice a few u t. The measure is the largest entry of the gradient, and the requirements are

    complex step           |backward - oracle| <= 1e-13 max|gradient|     (900 u)
    central differences    |backward - oracle| <= 1e-8  max|gradient|     (see oracles.py)

This is fair as long as the largest entry is as large as the terms it was summed from. Occasionally a random draw
violates that: an almost saturated softmax, y = (1 - 1e-20, 1e-20), has a gradient of 1e-20 made of terms of size 1,
and no float64 backward can compute it to 1e-13. So the check also measures the size t of the terms. It multiplies
everything the backward works with (dy, cache, parameters, and the inputs before) by 1 + d with random d of about 2^-30,
as if it had been rounded to 30 bits, and

    t = max|change of the gradient| / 2^-30

A draw that misses the first requirement must meet |backward - oracle| <= 1e-13 t. It is always reported as limited by
rounding. A wrong formula gains nothing from this rule, because its terms are no larger than a right one's. Central
differences state their own uncertainty; if it exceeds 1e-8 of the largest entry, the two must agree within that.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, to_host
from numpy_transformer.gradcheck.case import Case, GradientError
from numpy_transformer.gradcheck.diagnosis import diagnose
from numpy_transformer.gradcheck.oracles import (
    central_differences,
    central_differences_along,
    complex_step,
    complex_step_along,
    random_signs,
)

TOLERANCES = {"complex step": 1e-13, "central differences": 1e-8}
ORACLES = tuple(TOLERANCES)
DISTURBANCE = 2.0**-30


@dataclass(frozen=True)
class Finding:
    """One gradient compared with one oracle: the entry where they differ most."""

    layer: str
    parameter: str
    shape: tuple[int, ...]
    oracle: str
    index: tuple[int, ...] | None  # None for a derivative along a random direction
    backward: float
    expected: float
    error: float  # |backward - expected| / largest entry of the gradient
    passed: bool
    limited: bool  # judged by the size of the cancelling terms, or by the oracle's own uncertainty
    command: str  # shows it again
    arrays: tuple[Array, Array] = field(repr=False)  # the gradient by the backward and by the oracle, host arrays

    @property
    def diagnosis(self) -> str:
        """What kind of mistake it is, if it is wrong, was compared entry by entry and is of a known kind; else ""."""
        return "" if self.passed or self.index is None else diagnose(*self.arrays)

    def __str__(self) -> str:
        where = "along a random direction" if self.index is None else f"at {list(self.index)}"
        return (
            f"{self.layer}: d{self.parameter} {self.shape} {where}: backward {self.backward!r}, "
            f"{self.oracle} {self.expected!r}, relative error {self.error:.1e}, "
            f"allowed {TOLERANCES[self.oracle]:.0e}"
            + (f"\n    {self.diagnosis}" if self.diagnosis else "")
            + f"\n    reproduce with: {self.command}"
        )


def check(case: Case, *, along: bool = False, oracles: Iterable[str] = ORACLES) -> list[Finding]:
    """Compare every gradient of `case` with every oracle: entry by entry, or (`along`) along one random direction each.

    Along a direction of +1 and -1 the derivative is a signed sum of the gradient's entries. So a single evaluation
    reveals an error anywhere; that is how blocks and the whole model are checked.
    """
    return list(findings_of(case, along=along, oracles=oracles))


def findings_of(case: Case, *, along: bool = False, oracles: Iterable[str] = ORACLES) -> Iterator[Finding]:
    """What `check` finds, one by one, for those who stop at the first failure."""
    gradients = {name: to_host(gradient) for name, gradient in case.gradients(case.inputs).items()}
    terms = size_of_terms(case, gradients)
    for name, gradient in gradients.items():
        for oracle in oracles:
            yield _compare(case, name, gradient, oracle, along=along, terms=terms[name])


def size_of_terms(case: Case, gradients: Mapping[str, Array]) -> dict[str, float]:
    """The size of the terms that each gradient is summed from, measured by a small random disturbance."""
    rng = np.random.default_rng(case.seed)

    def disturb(x: Any) -> Any:
        if isinstance(x, tuple):
            parts = [disturb(part) for part in x]
            return type(x)(*parts) if hasattr(x, "_fields") else tuple(parts)
        if getattr(x, "dtype", None) != np.float64:  # masks and ids are not rounded
            return x
        return x * (1 + DISTURBANCE * array_module(x).asarray(rng.standard_normal(x.shape)))

    disturbed = case.gradients({name: disturb(x) for name, x in case.inputs.items()}, disturb=disturb)
    return {
        name: float(np.abs(to_host(disturbed[name]) - gradient).max(initial=0)) / DISTURBANCE
        for name, gradient in gradients.items()
    }


def assert_gradients(case: Case, *, along: bool = False, oracles: Iterable[str] = ORACLES) -> list[Finding]:
    """`check`, and raise GradientError that lists every disagreement."""
    findings = check(case, along=along, oracles=oracles)
    failures = [finding for finding in findings if not finding.passed]
    if failures:
        raise GradientError("\n".join(map(str, failures)))
    return findings


def assert_contract(case: Case) -> None:
    """Check that gradients are assigned, like their inputs, and independent of memory layout. Raises GradientError.

    The backward receives gradient arrays full of NaN. If it adds instead of assigning, or forgets a gradient, NaN
    remains. (case.py checks at every call that no argument is changed.)
    """
    gradients = case.gradients(case.inputs)
    for name, value in case.inputs.items():
        if not np.isfinite(to_host(gradients[name])).all():
            raise GradientError(f"left d{name} unassigned or not finite", case=case)
        if gradients[name].dtype != value.dtype:
            raise GradientError(f"made d{name} {gradients[name].dtype}; {name} is {value.dtype}", case=case)
    reference = {name: to_host(gradient) for name, gradient in gradients.items()}
    terms = size_of_terms(case, reference)
    strided = case.replace_activations(_with_gaps)
    for name, gradient in strided.gradients(strided.inputs).items():
        difference = np.abs(to_host(gradient) - reference[name]).max(initial=0)
        largest = max(np.abs(reference[name]).max(initial=0), terms[name])
        if not difference <= TOLERANCES["complex step"] * largest:
            raise GradientError(f"computes a d{name} that depends on the memory layout of its arguments", case=case)


def _compare(case: Case, name: str, gradient: Array, oracle: str, *, along: bool, terms: float) -> Finding:
    uncertainty: Array = np.zeros(())
    if along:
        signs = random_signs(case.inputs[name], case.seed)
        directions = {name: signs}
        if oracle == "complex step":
            expected = np.asarray(complex_step_along(case.forward, case.inputs, directions, case.upstream))
        else:
            expected, uncertainty = map(
                np.asarray, central_differences_along(case.forward, case.inputs, directions, case.upstream)
            )
        claimed = np.asarray((gradient * to_host(signs)).sum())
    else:
        if oracle == "complex step":
            expected = complex_step(case.forward, case.inputs, name, case.upstream)
        else:
            expected, uncertainty = central_differences(case.forward, case.inputs, name, case.upstream)
        claimed = gradient
    largest = float(np.abs(gradient).max(initial=0))
    difference = np.abs(claimed - expected)
    strict = difference <= TOLERANCES[oracle] * largest
    # With an infinite gradient every tolerance would be infinite too.
    passed = np.isfinite(difference) & (
        strict | (difference <= np.maximum(TOLERANCES["complex step"] * terms, uncertainty))
    )
    arrays = (claimed, expected)
    if not difference.size:
        return Finding(case.name, name, gradient.shape, oracle, None, 0.0, 0.0, 0.0, True, False, case.command, arrays)
    # The entry to show: the worst that fails, else the worst.
    ranked = np.where(passed, difference, np.inf) if passed.all() else np.where(passed, -1.0, difference)
    worst = np.unravel_index(int(np.argmax(np.nan_to_num(ranked, nan=np.inf))), difference.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = 0.0 if difference[worst] == 0 else float(difference[worst] / np.float64(largest))
    return Finding(
        layer=case.name,
        parameter=name,
        shape=gradient.shape,
        oracle=oracle,
        index=None if along else tuple(map(int, worst)),
        backward=float(claimed[worst]),
        expected=float(expected[worst]),
        error=error,
        passed=bool(passed.all()),
        limited=bool(passed.all() and not strict.all()),
        command=case.command,
        arrays=arrays,
    )


def _with_gaps(x: Array) -> Array:
    """The same numbers in memory that is not contiguous and has its axes in another order."""
    xp = array_module(x)
    return xp.asfortranarray(xp.stack([x, xp.full_like(x, xp.nan)]))[0]
