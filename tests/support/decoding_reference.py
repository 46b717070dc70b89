"""Decoding written only for clarity: one sentence, plain lists, the whole model run for each token."""

import itertools

import numpy as np

import numpy_transformer as nt

VOCABULARY = 7  # pad, bos, eos and four words


def small_model(seed: int, norm: str = "post", sharpness: float = 1.0) -> nt.Transformer:
    """A random model whose distributions are far from uniform; a larger `sharpness` makes it more confident."""
    config = nt.TransformerConfig(
        vocabulary_size=VOCABULARY, encoder_layers=2, decoder_layers=2, d_model=8, d_ff=12, heads=2, norm=norm
    )
    model = nt.Transformer(config, seed=seed, dtype="float64")
    model.parameters.flat[...] += np.random.default_rng(seed).normal(size=model.parameters.flat.shape) * 0.4
    model.parameters.tree.embedding.weight[...] *= sharpness
    return model


def random_sources(rng: np.random.Generator, count: int, longest: int = 6) -> list[list[int]]:
    """Sentences of words 3 to 6, each followed by eos."""
    return [[*rng.integers(3, VOCABULARY, rng.integers(0, longest)).tolist(), 2] for _ in range(count)]


def padded(sources: list[list[int]], extra: int = 0) -> np.ndarray:
    """One row per sentence, padded with 0."""
    array = np.zeros((len(sources), max(map(len, sources)) + extra), dtype=int)
    for row, source in zip(array, sources, strict=True):
        row[: len(source)] = source
    return array


def next_log_probabilities(model: nt.Transformer, source: list[int], prefix: list[int]) -> np.ndarray:
    """(V,) for the token after bos + prefix, without any cache."""
    logits = model.logits(np.array([source]), np.array([[1, *prefix]]))[0, -1]
    return logits - np.log(np.exp(logits - logits.max()).sum()) - logits.max()


def forced_log_probability(model: nt.Transformer, source: list[int], ids: list[int]) -> float:
    """The log-probability of ids and the eos after them."""
    logits = model.logits(np.array([source]), np.array([[1, *ids]]))[0]
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return float(sum(log_probabilities[t, token] for t, token in enumerate([*ids, 2])))


def penalised(log_probability: float, length: int, alpha: float) -> float:
    """Wu et al. 2016; `length` counts the eos."""
    return log_probability / ((5 + length) / 6) ** alpha


def all_translations(limit: int) -> list[list[int]]:
    """Every sequence of up to `limit` words."""
    return [list(ids) for n in range(limit + 1) for ids in itertools.product(range(3, VOCABULARY), repeat=n)]


def plain_greedy_search(model: nt.Transformer, source: list[int], limit: int) -> list[int]:
    """Append the most probable token repeatedly."""
    ids: list[int] = []
    while len(ids) < limit:
        token = 2 + int(next_log_probabilities(model, source, ids)[2:].argmax())
        if token == 2:
            break
        ids.append(token)
    return ids


def plain_beam_search(
    model: nt.Transformer, source: list[int], *, limit: int, beam: int, alpha: float, n_best: int
) -> list[tuple[float, list[int]]]:
    """(score, ids), best first. It never stops early: every live hypothesis is followed to the limit."""
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    finished: list[tuple[float, list[int]]] = []
    for length in range(1, limit + 2):
        continuations = []
        for total, ids in live:
            log_probabilities = next_log_probabilities(model, source, ids)
            allowed = [2] if length == limit + 1 else range(2, VOCABULARY)
            continuations += [(total + log_probabilities[token], [*ids, token]) for token in allowed]
        continuations.sort(key=lambda continuation: -continuation[0])
        best = continuations[:beam]
        finished += [(penalised(total, length, alpha), ids[:-1]) for total, ids in best if ids[-1] == 2]
        live = [(total, ids) for total, ids in best if ids[-1] != 2]
    return sorted(finished, key=lambda result: -result[0])[:n_best]
