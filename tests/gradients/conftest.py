"""The `agree` fixture: check a case against both oracles, and remember how close it was.

At the end of the run the worst errors are printed; `--gradient-record FILE` also writes them to a file.
"""

import platform
import time
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

from numpy_transformer.gradcheck.case import Case
from numpy_transformer.gradcheck.check import ORACLES, Finding, assert_contract, assert_gradients


class Recorder:
    """Counts what was compared and keeps the worst finding of each layer and oracle."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.cases: Counter[str] = Counter()
        self.entries: Counter[str] = Counter()
        self.limited: Counter[tuple[str, str]] = Counter()
        self.worst: dict[tuple[str, str], Finding] = {}

    def __call__(self, case: Case, *, along: bool = False, oracles: tuple[str, ...] = ORACLES) -> None:
        """Raises GradientError if a gradient is wrong or the layer contract is broken."""
        findings = assert_gradients(case, along=along, oracles=oracles)
        assert_contract(case)
        self.cases[case.layer] += 1
        for finding in findings:
            key = (case.layer, finding.oracle)
            self.entries[finding.oracle] += 1 if along else int(np.prod(finding.shape))
            if finding.limited:
                self.limited[key] += 1
            elif key not in self.worst or finding.error > self.worst[key].error:
                self.worst[key] = finding

    def lines(self) -> list[str]:
        """The report, one line per layer."""
        compared = " and ".join(f"{count:,} by {oracle}" for oracle, count in self.entries.items())
        head = f"{'layer':20} {'examples':>9} {'complex step':>13} {'central diff.':>13} {'limited by rounding':>20}"
        lines = [f"{sum(self.cases.values()):,} examples; derivatives compared: {compared}", "", head]
        for layer, count in self.cases.items():
            errors = [
                f"{self.worst[layer, oracle].error:.1e}" if (layer, oracle) in self.worst else "-" for oracle in ORACLES
            ]
            limited = " + ".join(str(self.limited[layer, oracle]) for oracle in ORACLES)
            lines.append(f"{layer:20} {count:9,} {errors[0]:>13} {errors[1]:>13} {limited:>20}")
        return [
            *lines,
            "",
            "Errors are relative to the largest entry of each gradient: the worst of all examples. 'Limited by",
            "rounding' counts gradients (complex step + central differences) that were judged by the size of the terms",
            "they are made of, or within the oracle's own uncertainty; numpy_transformer/gradcheck/check.py says why.",
        ]


RECORDER = Recorder()


@pytest.fixture(scope="session")
def agree() -> Recorder:
    """agree(case): every gradient of the case equals both oracles, and the layer contract holds."""
    return RECORDER


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--gradient-record", metavar="FILE", help="write the worst gradient errors of this run to FILE")


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not RECORDER.cases:
        return
    terminalreporter.section("gradients")
    for line in RECORDER.lines():
        terminalreporter.line(line)
    path = config.getoption("--gradient-record", default=None)
    if path:
        outcome = {name: len(terminalreporter.getreports(name)) for name in ("passed", "failed", "error")}
        facts = [
            f"{outcome['passed']} tests passed, {outcome['failed'] + outcome['error']} failed, "
            f"{(time.monotonic() - RECORDER.started) / 60:.0f} minutes",
            f"{_processor()}; {platform.system()}; Python {platform.python_version()}, NumPy {np.__version__}, "
            f"Hypothesis {hypothesis.__version__}",
        ]
        Path(path).write_text("\n".join([*facts, "", *RECORDER.lines(), ""]), encoding="utf-8")


def _processor() -> str:
    try:
        names = [line for line in Path("/proc/cpuinfo").read_text().split("\n") if line.startswith("model name")]
        return names[0].partition(": ")[2]
    except (OSError, IndexError):
        return platform.machine()
