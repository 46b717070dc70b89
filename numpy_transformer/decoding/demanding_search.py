"""Beam search under demands: first without them, and once more only where the result does not fulfil them.

A beam is narrow. If the demands steered it from the start, they could push out the very translation that fulfils them:
hypotheses that take the places of forbidden ones compete with those that would have won. So a demand that the search
would have met by itself changes nothing.
"""

from collections.abc import Sequence

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.decoding.beam import beam_search
from numpy_transformer.decoding.constraints import Demands
from numpy_transformer.decoding.ensemble import Models
from numpy_transformer.decoding.lexical_shortlist import Shortlist
from numpy_transformer.decoding.recorder import BeamRecorder
from numpy_transformer.decoding.required_terms import RequiredTerms
from numpy_transformer.decoding.results import Identity, best_of_each
from numpy_transformer.decoding.rules import Rule
from numpy_transformer.decoding.scoring import Decoded, Done, renumbered


def demanding_search(
    models: Models,
    source: Array,
    demands: Demands,
    *,
    limits: Array,
    beam: int,
    alpha: float,
    n_best: int = 1,
    coverage: float = 0.0,
    rows: int | None = None,
    shortlist: Shortlist | None = None,
    recorder: BeamRecorder | None = None,
    done: Done | None = None,
    identity: Identity = tuple,
) -> list[list[Decoded]]:
    """The n best translations of each sentence that fulfil the demands, best first; none if none was found.

    limits (B,) are the usual ones, which max-length replaces. `recorder`, for a single sentence, is left with the
    search that found the best; `done` hears of a sentence when no further search for it follows. Other arguments and
    errors as in `beam_search`.
    """
    may_search_again = bool(demands.rules or demands.required or demands.maximum_length is not None)

    def search(
        sentences: Array,
        limits: Array,
        recorder: BeamRecorder | None,
        rules: Sequence[Rule],
        required: RequiredTerms | None,
        done: Done | None = None,
    ) -> list[list[Decoded]]:
        return beam_search(
            models,
            source[sentences],
            limits=limits,
            beam=beam,
            alpha=alpha,
            n_best=n_best,
            coverage=coverage,
            rules=rules,
            required=required,
            rows=rows,
            shortlist=shortlist,
            recorder=recorder,
            done=done,
            identity=identity,
        )

    first_done = None if may_search_again else done
    found = search(np.arange(len(source)), limits, recorder, rules=(), required=None, done=first_done)
    kept = [
        # What the usual limit cut off might go on under a higher one.
        [one for one in free if demands.hold(one.ids) and not limit == len(one.ids) < (demands.maximum_length or 0)]
        for free, limit in zip(found, limits.tolist(), strict=True)
    ]
    again = np.array([row for row, free in enumerate(found) if len(kept[row]) < len(free)], dtype=np.intp)
    if done is not None and may_search_again:
        done(np.setdiff1d(np.arange(len(source)), again).tolist(), len(again))
    if not len(again):
        return found
    if recorder is not None:
        recorder = None if _best_is_kept(kept[0], found[0]) else recorder.restarted()
    if demands.maximum_length is None:
        limits = np.maximum(limits, demands.room)
    else:
        limits = np.full_like(limits, demands.maximum_length)
    steered = search(again, limits[again], recorder, demands.rules, demands.required, renumbered(done, again.tolist()))
    for row, more in zip(again, steered, strict=True):
        if _best_is_kept(kept[row], found[row]):  # it stays the best, as it is when only one is asked for
            more = [one for one in more if one.score <= kept[row][0].score]
        found[row] = best_of_each([*kept[row], *more], identity)[:n_best]
    return found


def _best_is_kept(kept: list[Decoded], free: list[Decoded]) -> bool:
    return bool(kept) and kept[0] is free[0]
