"""Beam search: the W best unfinished translations of each sentence go on, side by side (section 6.1).

One step, for each sentence:

 1. The decoder gives each of the W live hypotheses the log-probability of every next token.
 2. Of all W * V continuations the W best stay.
 3. Those that end with eos are finished: scored with the length penalty, and kept if among the n best so far. The
    others live on.
 4. The sentence is done when no live hypothesis can still beat the worst one kept. A live hypothesis with
    log-probability p can at best add tokens of probability 1 up to the length limit, where the penalty divides most,
    so its score never exceeds p / penalty(limit). Stopping earlier may lose the better translation.

With W = 1 this is greedy search. With W as large as the number of possible translations it finds the best of all.

The search itself, on a few numbers per sentence, runs in NumPy on the host; the device computes the logits and finds
their largest.
"""

import numpy as np

from numpy_transformer.backend import Array
from numpy_transformer.decoding.incremental import IncrementalDecoder, rows_that_stay
from numpy_transformer.decoding.scoring import (
    Decoded,
    check_numbers,
    largest,
    length_penalty,
    log_normalizer,
    on_host,
)
from numpy_transformer.model import Transformer


def beam_search(
    model: Transformer, source: Array, *, limits: Array, beam: int, alpha: float, n_best: int = 1
) -> list[list[Decoded]]:
    """The n best translations found for each sentence, best first.

    source (B, S) is a host array of ids, each row ending with eos and padded behind with pad_id. `limits` (B,) are
    the most tokens a translation may have before eos; there, eos is forced. alpha >= 0 is the exponent of the length
    penalty. A sentence has fewer than n results only where fewer were finished.

    Raises InputError if the model does not compute numbers.
    """
    decoder = IncrementalDecoder(model, source)
    found = _Found(len(source), n_best)
    sentence = np.arange(len(source))  # (b,) which sentence each row of the shrinking batch is
    tokens = np.full((len(source), 1), model.config.bos_id)  # (b, w) the last token of each live hypothesis
    parents: Array | None = None  # (b, w) the hypothesis of the step before that it continues
    totals = np.zeros((len(source), 1))  # (b, w) its log-probability; -inf where there is no live hypothesis
    while len(sentence):
        logits = decoder.step(tokens, parents)
        only_eos = limits[sentence] == found.length
        tokens, parents, totals = _best_continuations(logits, totals, only_eos, beam, model)
        check_numbers(totals)
        found.add_step(sentence, tokens, parents)

        ended = tokens == model.config.eos_id
        if ended.any():
            found.keep_best(sentence, np.where(ended, totals, -np.inf), alpha)
            totals[ended] = -np.inf

        highest_possible = totals.max(axis=1) / length_penalty(limits[sentence] + 1, alpha)
        live = highest_possible > found.worst_score(sentence)
        if not live.all():
            rows = rows_that_stay(live)
            decoder.retain(rows)
            sentence, tokens, parents, totals = sentence[rows], tokens[rows], parents[rows], totals[rows]
    return found.results()


def _best_continuations(
    logits: Array, totals: Array, only_eos: Array, beam: int, model: Transformer
) -> tuple[Array, Array, Array]:
    """The up to `beam` best continuations of each sentence's hypotheses: tokens, parents, totals (b, beam), best first.

    logits (b, w, V), which are overwritten; totals (b, w); only_eos (b,) is true where no other token may follow.
    """
    config = model.config
    b, w, V = logits.shape
    rows = logits.reshape(b * w, V)
    normalizer = on_host(log_normalizer(rows)).reshape(b, w, 1)
    eos_logits = on_host(rows[:, config.eos_id]).reshape(b, w, 1)
    rows[:, config.pad_id] = rows[:, config.bos_id] = -np.inf  # no translation holds them
    k = min(beam, V)  # of one hypothesis no more than these can be among the best of all
    values, columns = largest(rows, k)
    log_probabilities = on_host(values).reshape(b, w, k) - normalizer
    candidates = on_host(columns).reshape(b, w, k)

    candidates[only_eos] = config.eos_id
    log_probabilities[only_eos] = -np.inf
    log_probabilities[only_eos, :, :1] = (eos_logits - normalizer)[only_eos]

    all_totals = (totals[:, :, None] + log_probabilities).reshape(b, w * k)
    order = np.argsort(-all_totals, axis=1, kind="stable")[:, :beam]
    return (
        np.take_along_axis(candidates.reshape(b, w * k), order, axis=1),
        order // k,
        np.take_along_axis(all_totals, order, axis=1),
    )


class _Found:
    """The search tree of a batch, one list entry a step, and the best finished translations of each sentence."""

    def __init__(self, sentences: int, n_best: int) -> None:
        self._tokens: list[Array] = []  # (B, w) a step
        self._parents: list[Array] = []  # (B, w) a step: the column of the step before
        self._scores = np.full((sentences, n_best), -np.inf)  # in falling order; -inf: none yet
        self._totals = np.full((sentences, n_best), -np.inf)
        self._ends = np.zeros((sentences, n_best, 2), dtype=np.intp)  # step and column of the eos

    @property
    def length(self) -> int:
        """Tokens of each live hypothesis."""
        return len(self._tokens)

    def add_step(self, sentence: Array, tokens: Array, parents: Array) -> None:
        """tokens and parents (b, w) of the sentences (b,) that are still searched."""
        for steps, rows in ((self._tokens, tokens), (self._parents, parents)):
            step = np.zeros((len(self._scores), rows.shape[1]), dtype=np.intp)
            step[sentence] = rows
            steps.append(step)

    def keep_best(self, sentence: Array, totals: Array, alpha: float) -> None:
        """totals (b, w) of the translations that the last step finished, -inf for those it did not."""
        n_best = self._scores.shape[1]
        ends = np.empty((*totals.shape, 2), dtype=np.intp)
        ends[..., 0], ends[..., 1] = self.length - 1, np.arange(totals.shape[1])
        scores = np.concatenate([self._scores[sentence], totals / length_penalty(self.length, alpha)], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :n_best]
        totals = np.concatenate([self._totals[sentence], totals], axis=1)
        ends = np.concatenate([self._ends[sentence], ends], axis=1)
        self._scores[sentence] = np.take_along_axis(scores, order, axis=1)
        self._totals[sentence] = np.take_along_axis(totals, order, axis=1)
        self._ends[sentence] = np.take_along_axis(ends, order[:, :, None], axis=1)

    def worst_score(self, sentence: Array) -> Array:
        """(b,) the score that a new translation must beat to be kept; -inf while there is room."""
        return self._scores[sentence, -1]

    def results(self) -> list[list[Decoded]]:
        """What was kept of each sentence, best first."""
        return [
            [
                Decoded(self._path(sentence, *end), float(total), float(score))
                for end, total, score in zip(ends.tolist(), totals, scores, strict=True)
                if score > -np.inf
            ]
            for sentence, (ends, totals, scores) in enumerate(zip(self._ends, self._totals, self._scores, strict=True))
        ]

    def _path(self, sentence: int, step: int, column: int) -> list[int]:
        """The tokens of a finished translation, without its eos, read from its end."""
        ids = []
        while step > 0:
            column = int(self._parents[step][sentence, column])
            step -= 1
            ids.append(int(self._tokens[step][sentence, column]))
        return ids[::-1]
