"""How much is tried: a part in CI, everything with --long; each test says at the end what it tried.

python -m pytest tests/faults            under 5 minutes on 2 cores
python -m pytest tests/faults --long     hours
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MEMORY = "/dev/shm"
SAID = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="try as much as docs/reliability.md says")


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder in memory, if there is such a place: thousands of runs force theirs to the disk."""
    in_memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="faults-", dir=in_memory) as folder:
        yield Path(folder)


@pytest.fixture
def amount(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """amount(short, long): how many to try."""
    is_long = request.config.getoption("--long")
    return lambda short, long: long if is_long else short


@pytest.fixture
def tried(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say what was tried."""
    said = request.config.stash.setdefault(SAID, [])
    return lambda line: said.append(f"{request.node.name}: {line}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in terminalreporter.config.stash.get(SAID, []):
        terminalreporter.write_line(line)
