"""What Hypothesis draws for the gradient tests. Small sizes and round numbers come first: failures shrink to them."""

from hypothesis import settings
from hypothesis import strategies as st

SEEDS = st.integers(0, 2**32 - 2)
SIZES = st.integers(1, 5)
# Shapes in front of the feature axis: none, (N,), (B, T).
LEADING = st.lists(st.integers(1, 3), max_size=2).map(tuple)
# Activations from 1e-4 to 1e4.
SCALES = st.sampled_from((0, 1, -1, 2, -2, 3, -3, 4, -4)).map(lambda exponent: 10.0**exponent)
DROPOUTS = st.sampled_from((0.0, 0.1, 0.5))
NORMS = st.sampled_from(("post", "pre"))


def lengths(longest: int, *, smallest: int = 1, sentences: int = 3) -> st.SearchStrategy[tuple[int, ...]]:
    """Real lengths of the sentences of a batch; the first one is the longest, the rest is padded."""
    others = st.lists(st.integers(smallest, longest), max_size=sentences - 1)
    return others.map(lambda rest: (longest, *rest))


def examples(share: float) -> settings:
    """A share of the profile's number of examples, for tests whose examples take long."""
    return settings(max_examples=max(5, int(settings.default.max_examples * share)))
