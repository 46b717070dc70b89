"""Beam search: the W best unfinished translations of each sentence go on, side by side (section 6.1).

One step, for each sentence:

 1. The decoder gives each of the W live hypotheses the log-probability of every next token.
 2. Rules, if there are any, forbid some of the tokens (rules.py, required_terms.py).
 3. Of all W * V continuations the W best stay.
 4. Those that end with eos are finished: scored with the length penalty, and kept if among the n best so far. The
    others live on.
 5. The sentence is done when no live hypothesis can still beat the worst one kept. A live hypothesis with
    log-probability p can at best add tokens of probability 1 up to the length limit, where the penalty divides most,
    so its score never exceeds p / penalty(limit). (The coverage penalty only lowers scores.) Stopping earlier may lose
    the better translation. A sentence that is done leaves the batch, and one that waits takes its place.

With W = 1 this is greedy search. With W as large as the number of possible translations it finds the best of all.

The search itself, on a few numbers per sentence, runs in NumPy on the host; the device computes the logits and finds
their largest.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from numpy_transformer.backend import Array, array_module, to_device
from numpy_transformer.config import TransformerConfig
from numpy_transformer.decoding.ensemble import Models, config_of, open_decoder
from numpy_transformer.decoding.incremental import rows_that_stay
from numpy_transformer.decoding.recorder import BeamRecorder, Continuations
from numpy_transformer.decoding.required_terms import RequiredTerms
from numpy_transformer.decoding.rules import Hypotheses, Rule
from numpy_transformer.decoding.scoring import (
    Decoded,
    check_numbers,
    coverage_penalty,
    largest,
    length_penalty,
    log_normalizer,
    on_host,
)

REFILL = 4  # sentences that wait join when one row in so many is free: encoding a few at once is cheaper


def beam_search(
    models: Models,
    source: Array,
    *,
    limits: Array,
    beam: int,
    alpha: float,
    n_best: int = 1,
    coverage: float = 0.0,
    rules: Sequence[Rule] = (),
    required: RequiredTerms | None = None,
    rows: int | None = None,
    recorder: BeamRecorder | None = None,
) -> list[list[Decoded]]:
    """The n best translations found for each sentence, best first.

    models: one model, or several whose mean probabilities are searched (ensemble.py).
    source (B, S) is a host array of ids, each row ending with eos and padded behind with pad_id.
    limits (B,) are the most tokens a translation may have before eos; there, eos is forced.
    alpha >= 0 is the exponent of the length penalty, coverage >= 0 the weight of the coverage penalty.
    rules forbid tokens; of the required terms each translation holds all.
    rows: how many sentences are decoded at once; the others wait, in their order. By default none waits.

    A sentence has fewer than n results only where fewer were finished; none if the rules forbid every translation.
    Raises InputError if a model does not compute numbers.
    """
    if not len(source):
        return []
    config = config_of(models)
    results = _Results(len(source), n_best)
    rules = rules if required is None else (*rules, required)
    rows = len(source) if rows is None else rows

    lengths = (source != config.pad_id).sum(axis=1)

    def waiting(start: int, stop: int) -> Array:
        return source[start:stop, : lengths[start:stop].max()]

    admitted = min(rows, len(source))
    decoder = open_decoder(models, waiting(0, admitted))
    live = _Beams.fresh(np.arange(admitted), beam, config.bos_id)
    attended = np.zeros((admitted, beam, source.shape[1]))  # summed over the steps, for the coverage penalty
    while len(live.sentence):
        # Before the first step all hypotheses of a sentence are the empty one: a single row does for them.
        width = 1 if beam <= config.vocabulary_size and not live.length.any() else beam
        logits = decoder.step(live.tokens[:, :width], live.parents[:, :width])
        if coverage:
            [weights] = on_host(decoder.source_weights())
            attended[:, :, : weights.shape[2]] += weights
        hypotheses = Hypotheses(live.sentence, live.ids[:, :width], live.length, limits[live.sentence])
        continuations = _continuations(logits, live.totals[:, :width], hypotheses, beam, config, rules, required)
        tokens, parents, _, totals = (array[:, :beam] for array in continuations)
        totals = totals.copy()
        check_numbers(totals)
        live = live.extended(tokens, parents, totals)
        attended = np.take_along_axis(attended, parents[:, :, None], axis=1) if coverage else attended

        ended = (tokens == config.eos_id) & (totals > -np.inf)
        scores = totals / length_penalty(live.length, alpha)[:, None]  # what each is worth if it ends here
        for row, column in zip(*np.nonzero(ended), strict=True):
            sentence, length, total = live.sentence[row], live.length[row], totals[row, column]
            if coverage:
                scores[row, column] += coverage * coverage_penalty(attended[row, column, : lengths[sentence]])
            ids, score = live.ids[row, column, : length - 1].tolist(), float(scores[row, column])
            results.keep(sentence, Decoded(ids, float(total), score))
        totals[ended] = -np.inf

        highest_possible = totals.max(axis=1) / length_penalty(limits[live.sentence] + 1, alpha)
        goes_on = highest_possible > results.worst[live.sentence]
        if recorder is not None:
            recorder.add_step(hypotheses, continuations, ended, scores, highest_possible, alpha=alpha)
        if not goes_on.all():
            stay = rows_that_stay(goes_on)
            live, attended = live.retain(stay), attended[stay]
            decoder.retain(stay)
        free = rows - len(live.sentence)
        if admitted < len(source) and free >= max(1, rows // REFILL):
            joining = np.arange(admitted, min(admitted + free, len(source)))
            decoder.admit(waiting(admitted, admitted + free))
            live = live.joined(_Beams.fresh(joining, beam, config.bos_id))
            attended = np.concatenate([attended, np.zeros((len(joining), beam, source.shape[1]))])
            admitted += len(joining)
    return results.found


class _Beams(NamedTuple):
    """The hypotheses of the b sentences in the batch, W rows each; those that are not live have total -inf."""

    sentence: Array  # (b,) which sentence each row is
    length: Array  # (b,) tokens so far
    ids: Array  # (b, W, room) those tokens
    tokens: Array  # (b, W) the last of them, at first bos
    parents: Array  # (b, W) the hypothesis of the step before that each continues
    totals: Array  # (b, W) log-probabilities

    @classmethod
    def fresh(cls, sentence: Array, beam: int, bos_id: int) -> "_Beams":
        """One empty hypothesis for each sentence."""
        b = len(sentence)
        totals = np.full((b, beam), -np.inf)
        totals[:, 0] = 0
        parents = np.zeros((b, beam), dtype=np.intp)  # there is nothing yet that they could differ in
        ids = np.zeros((b, beam, 0), dtype=np.intp)
        return cls(sentence, np.zeros(b, dtype=np.intp), ids, np.full((b, beam), bos_id), parents, totals)

    def extended(self, tokens: Array, parents: Array, totals: Array) -> "_Beams":
        """Each hypothesis continued by the chosen tokens."""
        sentences = np.arange(len(parents))
        ids = self.ids[sentences[:, None], parents]
        if self.length.max() == ids.shape[2]:
            ids = _with_room(ids, 2 * ids.shape[2] + 8)
        ids[sentences, :, self.length] = tokens
        return _Beams(self.sentence, self.length + 1, ids, tokens, parents, totals)

    def retain(self, rows: Array) -> "_Beams":
        """Only these rows, in this order."""
        return _Beams(*(array[rows] for array in self))

    def joined(self, other: "_Beams") -> "_Beams":
        """These rows, then the other's."""
        room = max(self.ids.shape[2], other.ids.shape[2])
        parts = (beams._replace(ids=_with_room(beams.ids, room)) for beams in (self, other))
        return _Beams(*(np.concatenate(pair) for pair in zip(*parts, strict=True)))


def _with_room(ids: Array, room: int) -> Array:
    return np.pad(ids, ((0, 0), (0, 0), (0, room - ids.shape[2])))


def _continuations(
    logits: Array,
    totals: Array,
    hypotheses: Hypotheses,
    beam: int,
    config: TransformerConfig,
    rules: Sequence[Rule],
    required: RequiredTerms | None,
) -> Continuations:
    """The continuations of each sentence's hypotheses, of which the first `beam` shall stay.

    logits (b, w, V), which are overwritten; totals (b, w).
    """
    xp = array_module(logits)
    b, w, V = logits.shape
    rows = logits.reshape(b * w, V)
    normalizers = log_normalizer(rows)
    eos_logits = rows[:, config.eos_id].reshape(b, w).copy()
    rows[:, config.pad_id] = rows[:, config.bos_id] = -np.inf  # no translation holds them
    if rules:
        forbidden = np.zeros((b, w, V), dtype=bool)
        for rule in rules:
            rule.forbid(hypotheses, forbidden)
        xp.copyto(logits, -np.inf, where=to_device(forbidden, xp))
    at_limit = np.flatnonzero(hypotheses.limits == hypotheses.length)
    if len(at_limit):
        there = to_device(at_limit, xp)
        logits[there] = -np.inf
        logits[there, :, config.eos_id] = eos_logits[there]

    advancing = None if required is None else required.advancing(hypotheses)  # (b, w, A)
    if advancing is not None:
        [advancing_logits] = on_host(xp.take_along_axis(logits, to_device(advancing, xp), axis=2))
    k = min(beam, V)  # of one hypothesis no more than these can be among the best of all
    values, tokens, normalizer = on_host(*largest(rows, k), normalizers)
    tokens, normalizer = tokens.reshape(b, w, k), normalizer.reshape(b, w, 1)
    log_probabilities = values.reshape(b, w, k) - normalizer
    if advancing is not None:
        twice = (advancing[:, :, :, None] == tokens[:, :, None, :]).any(axis=3)
        advancing_logits[twice] = -np.inf
        tokens = np.concatenate([tokens, advancing], axis=2)
        log_probabilities = np.concatenate([log_probabilities, advancing_logits - normalizer], axis=2)
        k = tokens.shape[2]

    all_tokens = tokens.reshape(b, w * k)
    all_totals = (totals[:, :, None] + log_probabilities).reshape(b, w * k)
    order = np.argsort(-all_totals, axis=1, kind="stable")
    if required is not None:
        order = required.spread(order, all_tokens, order // k, all_totals, hypotheses, beam)
    sentences = np.arange(b)[:, None]
    return Continuations(
        tokens=all_tokens[sentences, order],
        parents=order // k,
        log_probabilities=log_probabilities.reshape(b, w * k)[sentences, order],
        totals=all_totals[sentences, order],
    )


class _Results:
    """The best finished translations of each sentence."""

    def __init__(self, sentences: int, n_best: int) -> None:
        self._n_best = n_best
        self.found: list[list[Decoded]] = [[] for _ in range(sentences)]  # in falling order of score
        self.worst = np.full(sentences, -np.inf)  # the score a new one must beat; -inf while there is room

    def keep(self, sentence: int, decoded: Decoded) -> None:
        """Keep the translation if it is among the n best so far; of equal ones the first stays."""
        found = self.found[sentence]
        found.append(decoded)
        found.sort(key=lambda one: -one.score)
        del found[self._n_best :]
        if len(found) == self._n_best:
            self.worst[sentence] = found[-1].score
