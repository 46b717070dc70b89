"""Numbers in sentences: the examples in the docstrings, and what lies between them."""

import doctest

from numpy_transformer.terminal import wording
from numpy_transformer.terminal.wording import clock, counted, figure


def test_the_examples_in_the_docstrings():
    failed, attempted = doctest.testmod(wording)
    assert (failed, attempted) == (0, 3)


def test_edges():
    assert counted(0, "step") == "0 steps"
    assert (clock(0), clock(59.6), clock(3599.7)) == ("0:00", "1:00", "1:00:00")
    assert (figure(-2.5e7, 3), figure(float("inf"), 3), figure(999999.0, 1)) == ("-2.5e+07", "inf", "999999.0")
