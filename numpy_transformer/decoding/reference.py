"""Greedy search and beam search in their plainest form: read this first. The other searches must find the same.

One sentence, plain lists, and the whole model run again for every token: `model.logits(source, target_input)` gives
the logits of the next token at each position, and only those of the last position are used.

A translation is a list of ids without bos and eos. Its probability is a product over its tokens, eos included:

    log p(y | x) = sum_t log p(y_t | y_1 ... y_(t-1), x)

Each further token makes it smaller, so log-probabilities alone favour short translations. The score that beam search
ranks by divides by a penalty that grows with the length (section 6.1; Wu et al. 2016, equation 14).
"""

import numpy as np

from numpy_transformer.models.transformer import Transformer

Scored = tuple[float, list[int]]  # a number to rank by, and the ids it belongs to


def next_log_probabilities(model: Transformer, source: list[int], ids: list[int]) -> np.ndarray:
    """log p(token | ids, source) for every token (V,): what may come after bos and the ids. `source` ends with eos."""
    target_input = [model.config.bos_id, *ids]
    logits = model.logits(np.array([source]), np.array([target_input]))[0, -1]
    logits = logits - logits.max()  # exp cannot overflow
    return logits - np.log(np.exp(logits).sum())


def words_and_eos(model: Transformer) -> list[int]:
    """The tokens that a translation may contain: all but pad and bos."""
    config = model.config
    return [token for token in range(config.vocabulary_size) if token not in (config.pad_id, config.bos_id)]


def penalised(log_probability: float, length: int, alpha: float) -> float:
    """The score: log-probability / ((5 + length) / 6)^alpha, where `length` counts the tokens and eos."""
    return log_probability / ((5 + length) / 6) ** alpha


def plain_greedy_search(model: Transformer, source: list[int], limit: int) -> list[int]:
    """Take the most probable token again and again, until it is eos or there are `limit` tokens."""
    ids: list[int] = []
    while len(ids) < limit:
        log_probabilities = next_log_probabilities(model, source, ids)
        token = max(words_and_eos(model), key=lambda token: log_probabilities[token])
        if token == model.config.eos_id:
            break
        ids.append(token)
    return ids


def plain_beam_search(
    model: Transformer, source: list[int], *, limit: int, beam: int, alpha: float, n_best: int = 1
) -> list[Scored]:
    """The n best translations found, as (score, ids), best first.

    After each step the `beam` most probable continuations stay. Those that end with eos are finished, the others go
    on. At `limit` tokens only eos may follow. The search never stops early: it follows every hypothesis to its end.
    """
    eos = model.config.eos_id
    live: list[Scored] = [(0.0, [])]  # hypotheses that go on, with their log-probabilities
    finished: list[Scored] = []  # translations, with their scores
    for length in range(1, limit + 2):
        continuations: list[Scored] = []
        for total, ids in live:
            log_probabilities = next_log_probabilities(model, source, ids)
            allowed = words_and_eos(model) if length <= limit else [eos]
            continuations += [(total + float(log_probabilities[token]), [*ids, token]) for token in allowed]
        continuations.sort(key=lambda continuation: -continuation[0])
        best = continuations[:beam]
        finished += [(penalised(total, length, alpha), ids[:-1]) for total, ids in best if ids[-1] == eos]
        live = [(total, ids) for total, ids in best if ids[-1] != eos]
    return sorted(finished, key=lambda translation: -translation[0])[:n_best]
