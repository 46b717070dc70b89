"""Settings that every test shares: Hypothesis profiles, and one BLAS thread.

The profile "default" draws the same examples each time, for CI; "long" draws many more, anew each time:

    HYPOTHESIS_PROFILE=long python -m pytest      (or --hypothesis-profile=long)
"""

import os

import pytest
from hypothesis import HealthCheck, settings
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


@pytest.fixture(scope="session", autouse=True)
def _one_blas_thread():
    """The matrices of tests are tiny: starting threads for them costs more than the products."""
    with threadpool_limits(limits=1):
        yield
