"""Which run a program takes when none was named."""

import sys
from collections.abc import Sequence
from pathlib import Path


def take_latest(runs: Sequence[Path], *, what: str, option: str) -> Path:
    """The first of the runs, the latest; where there are several, standard error says which that is.

    what: what the run is for the program; option: the one that would name another run.
    """
    if len(runs) > 1:
        print(f"{what}: {runs[0]}, the latest of {len(runs):,} runs; {option} names another", file=sys.stderr)
    return runs[0]
