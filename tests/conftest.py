"""Shared by the tests: Hypothesis profiles, one BLAS thread, and the card or its stand-in.

The profile "default" draws the same examples each time, for CI; "long" draws many more, different each time:

    HYPOTHESIS_PROFILE=long python -m pytest      (or --hypothesis-profile=long)
"""

import os
import signal
import sys
from types import ModuleType

import pytest
import strict_gpu
from hypothesis import HealthCheck, settings
from on_card import card
from threadpoolctl import threadpool_limits

settings.register_profile("default", derandomize=True, deadline=None, max_examples=40, print_blob=True)
settings.register_profile(
    "long",
    deadline=None,
    max_examples=1500,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


# Tests that a script runs in the background are deaf to Ctrl-C, and so is whatever they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session", autouse=True)
def _one_blas_thread():
    """The matrices of tests are tiny: starting threads for them costs more than the products."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(params=["stand-in", pytest.param("card", marks=pytest.mark.gpu)])
def cupy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """CuPy on a card, if there is one; and the stand-in, so that such a test is known to run before it meets a card.

    device="gpu" then means this module.
    """
    if request.param == "stand-in":
        monkeypatch.setitem(sys.modules, "cupy", strict_gpu)
        return strict_gpu
    return card()
