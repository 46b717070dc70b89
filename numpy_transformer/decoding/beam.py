"""Beam search: the W best unfinished translations of each sentence go on, side by side (section 6.1).

A hypothesis is the beginning of a translation, y_1 ... y_t, with the total of its log-probabilities. One step, for each
sentence:

 1. The decoder gives each of the W live hypotheses the log-probability of every next token.
 2. Some tokens may not come next: rules forbid them (rules.py, required_terms.py), or the length limit is reached.
 3. Of all W * V continuations the W with the largest totals stay.
 4. Those that end with eos are finished: scored, total / penalty, and kept if among the n best so far. The others live
    on.
 5. The sentence is done when no live hypothesis can still beat the worst one kept. A live hypothesis can at best add
    tokens of probability 1 up to the length limit, where the penalty divides most, so its score never exceeds
    total / penalty(limit). (The coverage penalty only lowers scores.) Stopping earlier may lose the better
    translation.

A finished sentence leaves the batch, and a waiting one takes its place.

With W = 1 this is greedy search. With W as large as the number of possible translations it finds the best of all.

The search itself, on a few numbers per sentence, runs in NumPy on the host; the device computes the logits and finds
the largest. Everything is an array over the b sentences in the batch and their W hypotheses.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, to_device
from numpy_transformer.decoding.ensemble import Models, config_of, open_decoder
from numpy_transformer.decoding.incremental import rows_that_stay
from numpy_transformer.decoding.lexical_shortlist import Shortlist
from numpy_transformer.decoding.next_tokens import Barred, best_tokens
from numpy_transformer.decoding.recorder import BeamRecorder, Continuations
from numpy_transformer.decoding.required_terms import RequiredTerms
from numpy_transformer.decoding.results import Identity, Results
from numpy_transformer.decoding.rules import Hypotheses, Pooled, Rule
from numpy_transformer.decoding.scoring import (
    Decoded,
    Done,
    check_numbers,
    coverage_penalty,
    length_penalty,
    log_normalizer,
    on_host,
)
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.encoder_decoder import real_positions

REFILL = 4  # waiting sentences join when one row in this many is free: encoding a few at once is cheaper


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
    shortlist: Shortlist | None = None,
    recorder: BeamRecorder | None = None,
    done: Done | None = None,
    identity: Identity = tuple,
    pooled: Pooled | None = None,
) -> list[list[Decoded]]:
    """The n best translations found for each sentence, best first.

    models: one model, or several whose mean probabilities are searched (ensemble.py).
    source (B, S) is a host array of ids, each row ending with eos and right-padded with pad_id; that of a model that
    hears is (B, S, F), feature vectors.
    limits (B,) are the most tokens a translation may have before eos; there, eos is forced.
    alpha >= 0 is the exponent of the length penalty, coverage >= 0 the weight of the coverage penalty.
    rules forbid tokens; each translation contains all required terms.
    rows: how many sentences are decoded at once; the others wait, in their order. By default none waits.
    shortlist: the tokens that each translation may contain; for one model, without rules and required terms.
    done is called with the numbers of sentences as they are done, and how many others are under way.
    pooled: tokens that share their probability, for rules that say which of them is next.
    identity: of the translations for which it is the same, only the best is a result; by default none are the same.

    A sentence has fewer than n results only where fewer were finished; none if the rules forbid every translation.
    Raises InputError if a model computes NaN.
    """
    if not len(source):
        return []
    config = config_of(models)
    rules = rules if required is None else (*rules, required)
    rows = len(source) if rows is None else rows
    results = Results(len(source), n_best, identity)
    waiting = _Waiting(source, config)

    def fresh(sentences: Array) -> _Beams:
        return _Beams.fresh(sentences, beam, config.bos_id, source.shape[1] if coverage else 0)

    sentences, first = waiting.take(rows)
    assert shortlist is None or not rules, "rules and required terms need the whole vocabulary"
    decoder, live = open_decoder(models, first, shortlist), fresh(sentences)
    while len(live.sentence):
        if beam <= len(decoder.vocabulary) and not live.length.any():
            live = live.first_rows()  # before the first step all hypotheses of a sentence are the empty one

        # 1. The log-probabilities: logits - normalizers.
        logits = decoder.step(live.tokens, live.parents)
        normalizers = None  # they are found together with the best tokens, if the logits stay as they are
        if pooled is not None:
            normalizers = log_normalizer(logits)
            tokens = to_device(pooled.tokens, array_module(logits))
            pool = logits[:, :, tokens]
            logits[:, :, tokens] += pooled.share * (log_normalizer(pool)[:, :, None] - pool)
        if coverage:
            [weights] = on_host(decoder.source_weights())
            live.attended[:, :, : weights.shape[2]] += weights

        # 2. What may not come next.
        hypotheses = Hypotheses(live.sentence, live.ids, live.length, limits[live.sentence])
        barred = _barred(hypotheses, decoder.vocabulary, rules, config)

        # 3. The best continuations take the places of the hypotheses.
        continuations = _best_continuations(
            logits, decoder.vocabulary, normalizers, barred, live.totals, hypotheses, beam, required
        )
        tokens, parents, _, totals = (array[:, :beam] for array in continuations)
        check_numbers(totals)
        live = live.extended(tokens, parents, totals)

        # 4. Those that end are finished.
        ended = (tokens == config.eos_id) & (totals > -np.inf)
        scores = totals / length_penalty(live.length, alpha)[:, None]  # what each is worth if it ends here
        for row, column in zip(*np.nonzero(ended), strict=True):
            sentence, length = live.sentence[row], live.length[row]
            if coverage:
                attended = live.attended[row, column, : waiting.lengths[sentence]]
                scores[row, column] += coverage * coverage_penalty(attended)
            ids = live.ids[row, column, : length - 1].tolist()  # without eos
            results.keep(sentence, Decoded(ids, float(totals[row, column]), float(scores[row, column])))
        live.totals[ended] = -np.inf

        # 5. Sentences that no live hypothesis can better are done; others take their places.
        highest_possible = live.totals.max(axis=1) / length_penalty(limits[live.sentence] + 1, alpha)
        goes_on = highest_possible > results.worst[live.sentence]
        if recorder is not None:
            recorder.add_step(hypotheses, continuations, ended, scores, highest_possible, alpha=alpha)
        if not goes_on.all():
            if done is not None:
                done(live.sentence[~goes_on].tolist(), int(goes_on.sum()))
            stay = rows_that_stay(goes_on)
            live = live.retain(stay)
            decoder.retain(stay)
        free = rows - len(live.sentence)
        if waiting.count and free >= max(1, rows // REFILL):
            sentences, joining = waiting.take(free)
            decoder.admit(joining)
            live = live.joined(fresh(sentences))
    return results.found


class _Waiting:
    """The sentences that have not joined the batch yet, in their order."""

    def __init__(self, source: Array, config: TransformerConfig) -> None:
        self._source, self._next = source, 0
        self.lengths = real_positions(source, config).sum(axis=1)  # of all sentences, waiting or not

    @property
    def count(self) -> int:
        """How many are waiting."""
        return len(self._source) - self._next

    def take(self, count: int) -> tuple[Array, Array]:
        """The next ones, `count` or fewer: numbers (n,) and source (n, S), as wide as the longest needs."""
        sentences = np.arange(self._next, self._next + min(count, self.count))
        self._next += len(sentences)
        return sentences, self._source[sentences, : self.lengths[sentences].max()]


class _Beams(NamedTuple):
    """The hypotheses of the b sentences in the batch, W rows each; those that are not live have total -inf."""

    sentence: Array  # (b,) which sentence each row is
    length: Array  # (b,) tokens so far
    ids: Array  # (b, W, room) those tokens
    tokens: Array  # (b, W) the last of them, at first bos
    parents: Array  # (b, W) the hypothesis of the step before that each continues
    totals: Array  # (b, W) log-probabilities
    attended: Array  # (b, W, S) attention to each source token, summed over the steps; S = 0 without coverage penalty

    @classmethod
    def fresh(cls, sentence: Array, beam: int, bos_id: int, source_length: int) -> "_Beams":
        """One empty hypothesis for each sentence."""
        b = len(sentence)
        totals = np.full((b, beam), -np.inf)
        totals[:, 0] = 0
        parents = np.zeros((b, beam), dtype=np.intp)  # they cannot differ yet
        return cls(
            sentence=sentence,
            length=np.zeros(b, dtype=np.intp),
            ids=np.zeros((b, beam, 0), dtype=np.intp),
            tokens=np.full((b, beam), bos_id),
            parents=parents,
            totals=totals,
            attended=np.zeros((b, beam, source_length)),
        )

    def first_rows(self) -> "_Beams":
        """Only the first hypothesis of each sentence."""
        return _Beams(self.sentence, self.length, *(array[:, :1] for array in self[2:]))

    def extended(self, tokens: Array, parents: Array, totals: Array) -> "_Beams":
        """The hypotheses that the continuations make: (b, W) each."""
        sentences = np.arange(len(parents))
        ids, attended = self.ids[sentences[:, None], parents], self.attended[sentences[:, None], parents]
        if self.length.max() == ids.shape[2]:
            ids = _with_room(ids, 2 * ids.shape[2] + 8)
        ids[sentences, :, self.length] = tokens
        return _Beams(self.sentence, self.length + 1, ids, tokens, parents, totals.copy(), attended)

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


def _barred(hypotheses: Hypotheses, vocabulary: Array, rules: Sequence[Rule], config: TransformerConfig) -> Barred:
    """What may not come next; at the length limit only eos may, if that.

    Logits are those of the tokens vocabulary (V,), in ascending order; `rules` apply only to the whole vocabulary.
    """
    pad, bos, eos = np.searchsorted(vocabulary, (config.pad_id, config.bos_id, config.eos_id)).tolist()
    shape = hypotheses.ids.shape[:2]
    forbidden = at_limit = None
    if rules:
        forbidden = np.zeros((*shape, len(vocabulary)), dtype=bool)
        for rule in rules:
            rule.forbid(hypotheses, forbidden)
    ends = hypotheses.limits == hypotheses.length
    if ends.any():
        at_limit = np.broadcast_to(ends[:, None], shape)
    return Barred(pad, bos, eos, at_limit, forbidden)


def _best_continuations(
    logits: Array,
    vocabulary: Array,
    normalizers: Array | None,
    barred: Barred,
    totals: Array,
    hypotheses: Hypotheses,
    beam: int,
    required: RequiredTerms | None,
) -> Continuations:
    """The best continuations of each sentence's hypotheses: the first `beam` of them stay.

    logits (b, W, V), which are overwritten, of the tokens vocabulary (V,); normalizers, if known, and totals (b, W).
    """
    b, W, V = logits.shape
    k = min(beam, V)  # at most this many of one hypothesis can be among the best of all
    best = best_tokens(logits if required is None else logits.copy(), k, barred, normalizers)
    values, tokens = best.values, vocabulary[best.columns]
    if required is not None:  # as many of the tokens of its terms are candidates as well, however improbable
        others = barred.besides(~required.advancing(hypotheses, V))
        term_values, term_tokens, _ = best_tokens(logits, k, others, to_device(best.normalizers, array_module(logits)))
        term_values[(term_tokens[:, :, :, None] == tokens[:, :, None, :]).any(axis=3)] = -np.inf  # not twice
        values = np.concatenate([values, term_values], axis=2)
        tokens = np.concatenate([tokens, term_tokens], axis=2)

    candidates = tokens.shape[2]  # per hypothesis
    log_probabilities = values - best.normalizers[:, :, None]
    all_tokens = tokens.reshape(b, W * candidates)
    all_totals = (totals[:, :, None] + log_probabilities).reshape(b, W * candidates)
    order = np.argsort(-all_totals, axis=1, kind="stable")
    if required is not None:
        order = required.spread(order, all_tokens, order // candidates, all_totals, hypotheses, beam)
    sentences = np.arange(b)[:, None]
    return Continuations(
        tokens=all_tokens[sentences, order],
        parents=order // candidates,
        log_probabilities=log_probabilities.reshape(b, W * candidates)[sentences, order],
        totals=all_totals[sentences, order],
    )
