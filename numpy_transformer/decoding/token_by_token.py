"""Greedy search and sampling, token by token: each translation grows by one per step, and none is ever taken back.

Greedy search takes the most probable token. Sampling draws one from the model's distribution, shaped by

    temperature    probabilities p^(1/temperature), renormalised: below 1 sharper, above 1 flatter; towards 0 greedy
                   search, towards infinity all tokens alike
    top_k          only the k most probable tokens
    top_p          only the most probable tokens that together reach probability p (Holtzman et al. 2020)

in this order. A draw is a race: token v arrives after the time E_v / p_v, where E_v has the standard exponential
distribution, and the first to arrive is drawn. It is token v with probability p_v (the minimum of exponentials; as the
Gumbel-max trick, without its logarithms). The numbers of a sample are a function of (seed, source ids, number of the
sample), so it does not depend on what else is in the batch. Nor does it depend on how the batch rounds p: only a dead
heat could change the winner. Sampling from cumulative probabilities, the alternative, is sensitive to the last bits of
p wherever many improbable tokens lie close together.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module, to_device
from numpy_transformer.decoding.ensemble import Models, config_of, open_decoder
from numpy_transformer.decoding.incremental import rows_that_stay
from numpy_transformer.decoding.next_tokens import Barred, bar, best_tokens
from numpy_transformer.decoding.option_values import is_number, is_whole
from numpy_transformer.decoding.scoring import (
    Decoded,
    check_numbers,
    largest,
    length_penalty,
    log_normalizer,
    on_host,
)
from numpy_transformer.errors import InputError
from numpy_transformer.layers.softmax import softmax_forward


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How tokens are drawn; None switches a restriction off. Raises InputError for impossible values.

    temperature: divides the logits; below 1 the probable tokens become more probable, above 1 less.
    top_k: draw among the k most probable tokens only.
    top_p: draw among the most probable tokens that together have this probability, from 0 to 1.
    seed: the same seed gives the same translation of a text.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not is_number(self.temperature) or not 0 < self.temperature < math.inf:
            raise InputError(
                f"temperature is {self.temperature}; it must be above 0, and finite (for greedy search use beam 1)"
            )
        if self.top_k is not None and not (is_whole(self.top_k) and self.top_k >= 1):
            raise InputError(f"top-k is {self.top_k}; it must be at least 1, and whole")
        if self.top_p is not None and not (is_number(self.top_p) and 0 < self.top_p <= 1):
            raise InputError(f"top-p is {self.top_p}; it must be above 0 and at most 1")
        if not is_whole(self.seed) or self.seed < 0:
            raise InputError(f"seed is {self.seed}; it must be at least 0, and whole")


def greedy_search(models: Models, source: Array, *, limits: Array, alpha: float = 0.0) -> list[list[Decoded]]:
    """The translation of each sentence that takes the most probable token at every step: a list of one.

    Arguments and errors as in `beam_search`; alpha only enters the score.
    """

    def most_probable(logits: Array, sentence: Array, barred: Barred) -> tuple[Array, Array]:
        best = best_tokens(logits, 1, barred)
        return best.columns[..., 0], best.values[..., 0] - best.normalizers

    return _extend(models, source, most_probable, width=1, limits=limits, alpha=alpha)


def sample(
    models: Models, source: Array, sampling: Sampling, *, limits: Array, alpha: float = 0.0, samples: int = 1
) -> list[list[Decoded]]:
    """Independent samples of each sentence's translation, the best score first; equal ones may occur.

    Arguments and errors as in `beam_search`; alpha only enters the score. Log-probabilities and scores are those of
    the model's own distribution, before it is shaped.
    """
    config = config_of(models)
    generators = [
        [
            np.random.default_rng([sampling.seed, number, *ids[ids != config.pad_id].tolist()])
            for number in range(samples)
        ]
        for ids in source
    ]

    def draw(logits: Array, sentence: Array, barred: Barred) -> tuple[Array, Array]:
        xp, normalizers = array_module(logits), log_normalizer(logits)
        bar(logits, barred)
        times = np.empty(logits.shape)  # in 64 bits: zeros must not occur
        for row, index in zip(times, sentence.tolist(), strict=True):
            for column, generator in zip(row, generators[index], strict=True):
                generator.standard_exponential(out=column)
        drawn = draw_tokens(logits, to_device(times, xp), sampling)
        drawn_logits = xp.take_along_axis(logits, drawn[..., None], axis=-1)[..., 0]
        tokens, values, normalizers = on_host(drawn, drawn_logits, normalizers)
        return tokens, values - normalizers

    results = _extend(models, source, draw, width=samples, limits=limits, alpha=alpha)
    return [sorted(result, key=lambda decoded: -decoded.score) for result in results]


def draw_tokens(logits: Array, times: Array, sampling: Sampling) -> Array:
    """logits (..., V) and standard exponential numbers, `times` (..., V) -> ids (...)."""
    xp = array_module(logits)
    V = logits.shape[-1]
    # Differences from the largest, and a divisor within the range of the dtype: whatever the temperature, the largest
    # stays 0 and what is impossible stays -inf. 0 / 0, inf - inf and -inf / inf would be nan.
    range_of = np.finfo(logits.dtype)
    temperature = min(max(sampling.temperature, float(range_of.tiny)), float(range_of.max))
    with np.errstate(over="ignore"):
        values, columns = (logits - logits.max(axis=-1, keepdims=True)) / temperature, None
    if sampling.top_k is not None or sampling.top_p is not None:
        count = min(sampling.top_k or V, V)
        values, columns = (array.reshape(*times.shape[:-1], count) for array in largest(values.reshape(-1, V), count))
        times = xp.take_along_axis(times, columns, axis=-1)
    probabilities, _ = softmax_forward(values)
    if sampling.top_p is not None:
        reached_before = xp.cumsum(probabilities, axis=-1, dtype=np.float64) - probabilities >= sampling.top_p
        probabilities = xp.where(reached_before, 0, probabilities)
    with np.errstate(divide="ignore", invalid="ignore"):  # a time of 0 must not let an impossible token win
        speeds = xp.where(probabilities > 0, probabilities / times, 0)
    first = speeds.argmax(axis=-1)
    return first if columns is None else xp.take_along_axis(columns, first[..., None], axis=-1)[..., 0]


def _extend(
    models: Models,
    source: Array,
    choose: Callable[[Array, Array, Barred], tuple[Array, Array]],
    *,
    width: int,
    limits: Array,
    alpha: float,
) -> list[list[Decoded]]:
    """`width` translations of each sentence; `choose` maps logits (b, width, V), the sentences (b,) they belong to
    and what may not come next to the next tokens and their log-probabilities (b, width), both on the host."""
    config = config_of(models)
    decoder = open_decoder(models, source)
    sentence = np.arange(len(source))  # (b,) which sentence each row of the shrinking batch is
    tokens = np.full((len(source), width), config.bos_id)
    ended = np.zeros((len(source), width), dtype=bool)
    totals = np.zeros((len(source), width))  # log-probabilities, of all sentences
    steps: list[Array] = []  # the tokens (B, width) of each position, of all sentences
    while len(sentence):
        at_limit = ended | (limits[sentence] == len(steps))[:, None]
        barred = Barred(config.pad_id, config.bos_id, config.eos_id, at_limit if at_limit.any() else None)
        tokens, log_probabilities = choose(decoder.step(tokens), sentence, barred)
        check_numbers(log_probabilities)
        totals[sentence] += np.where(ended, 0, log_probabilities)
        step = np.full((len(source), width), config.eos_id)
        step[sentence] = tokens
        steps.append(step)

        ended = ended | (tokens == config.eos_id)
        live = ~ended.all(axis=1)
        if not live.all():
            rows = rows_that_stay(live)
            decoder.retain(rows)
            sentence, tokens, ended = sentence[rows], tokens[rows], ended[rows]
    by_sentence = np.array(steps).transpose(1, 2, 0).tolist()  # (B, width, positions)
    return [
        [_result(ids, total, config.eos_id, alpha) for ids, total in zip(*rows, strict=True)]
        for rows in zip(by_sentence, totals.tolist(), strict=True)
    ]


def _result(ids: list[int], log_probability: float, eos_id: int, alpha: float) -> Decoded:
    """`ids` end with one eos or more."""
    length = ids.index(eos_id)
    return Decoded(ids[:length], log_probability, log_probability / length_penalty(length + 1, alpha))
