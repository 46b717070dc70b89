"""The runs of these tests leave a file in place of their curves: to draw them takes longer than all their steps.

test_curves.py draws; the runs of tests/commands and tests/api do, too.
"""

from collections.abc import Iterator

import pytest
from child_run import quick_curves

from numpy_transformer.training import reporting


@pytest.fixture(scope="module", autouse=True)
def _quick_curves() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reporting, "draw_curves", quick_curves)
        yield
