"""What a translator searches for: one record, validated when it is created."""

import math
from dataclasses import dataclass

from numpy_transformer.decoding.constraints import Constraints
from numpy_transformer.decoding.option_values import is_number, is_whole
from numpy_transformer.decoding.token_by_token import Sampling
from numpy_transformer.errors import InputError

WIDEST_BEAM = 10_000  # hypotheses of one sentence
BATCH_TOKENS = 2048  # source tokens of a batch, padding included


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """How translations are searched for. Raises InputError for impossible or contradictory values.

    beam: hypotheses kept per sentence; 1 is greedy search. At least n_best.
    alpha: exponent of the length penalty ((5 + length) / 6)^alpha, at least 0; larger favours longer ones.
    n_best: how many translations of each text are returned.
    sampling: draw n_best translations at random instead of searching.
    batch_tokens: source tokens that are decoded at once, padding included; affects only memory and speed.
    coverage: weight of the coverage penalty of beam search (Wu et al. 2016), at least 0; 0.2 is usual.
    constraints: what the translations must or must not contain; beam search only.
    shortlist: search among likely tokens only; the translator must have a shortlist.
    """

    beam: int = 4
    alpha: float = 0.6
    n_best: int = 1
    sampling: Sampling | None = None
    batch_tokens: int = BATCH_TOKENS
    coverage: float = 0.0
    constraints: Constraints | None = None
    shortlist: bool = False

    def __post_init__(self) -> None:
        for name, count in (("beam", self.beam), ("n-best", self.n_best), ("batch-tokens", self.batch_tokens)):
            if not is_whole(count) or count < 1:
                raise InputError(f"{name} is {count}; it must be a whole number of at least 1")
        for name, count in (("beam", self.beam), ("n-best", self.n_best)):
            if count > WIDEST_BEAM:
                raise InputError(f"{name} is {count}; it must be at most {WIDEST_BEAM:,}")
        if not is_number(self.alpha) or not 0 <= self.alpha < math.inf:
            raise InputError(f"alpha is {self.alpha}; it must be at least 0, and finite")
        for name, value, kind in (
            ("sampling", self.sampling, Sampling),
            ("constraints", self.constraints, Constraints),
        ):
            if value is not None and not isinstance(value, kind):
                raise InputError(f"{name} is {value!r}; give a {kind.__name__}, or None")
        if self.sampling is None and self.n_best > self.beam:
            raise InputError(f"n-best is {self.n_best}; it must be at most the beam ({self.beam})")
        if not is_number(self.coverage) or not 0 <= self.coverage < math.inf:
            raise InputError(f"coverage is {self.coverage}; it must be at least 0, and finite")
        if self.sampling is not None and (self.coverage or self.constraints is not None):
            raise InputError("coverage and constraints steer the search: they have no meaning for sampling")
        if self.shortlist and (self.sampling is not None or self.constraints is not None):
            raise InputError("a shortlist is for beam search without constraints: the others need the whole vocabulary")

    @property
    def is_plain_greedy(self) -> bool:
        """Whether greedy search finds what is asked for: a beam of 1 that nothing steers."""
        return (
            self.beam == 1
            and self.sampling is None
            and not self.coverage
            and self.constraints is None
            and not self.shortlist
        )
