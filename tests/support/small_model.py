"""A model of seven tokens, whose translations can all be listed, for the tests of the searches."""

import itertools

import numpy as np

import numpy_transformer as nt

VOCABULARY = 7  # pad, bos, eos and four words


def small_model(seed: int, norm: str = "post", sharpness: float = 1.0) -> nt.Transformer:
    """A random model whose distributions are far from uniform; the larger `sharpness`, the surer it is."""
    config = nt.TransformerConfig(
        vocabulary_size=VOCABULARY, encoder_layers=2, decoder_layers=2, d_model=8, d_ff=12, heads=2, norm=norm
    )
    model = nt.Transformer(config, seed=seed, dtype="float64")
    model.parameters.flat[...] += np.random.default_rng(seed).normal(size=model.parameters.flat.shape) * 0.4
    model.parameters.tree.embedding.weight[...] *= sharpness
    return model


def random_sources(rng: np.random.Generator, count: int, longest: int = 6) -> list[list[int]]:
    """Sentences of words 3 to 6, each with eos behind it."""
    return [[*rng.integers(3, VOCABULARY, rng.integers(0, longest)).tolist(), 2] for _ in range(count)]


def padded(sources: list[list[int]], extra: int = 0) -> np.ndarray:
    """One row per sentence, 0 behind."""
    array = np.zeros((len(sources), max(map(len, sources)) + extra), dtype=int)
    for row, source in zip(array, sources, strict=True):
        row[: len(source)] = source
    return array


def forced_log_probability(model: nt.Transformer, source: list[int], ids: list[int]) -> float:
    """Of ids and the eos behind them."""
    logits = model.logits(np.array([source]), np.array([[1, *ids]]))[0]
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return float(sum(log_probabilities[t, token] for t, token in enumerate([*ids, 2])))


def all_translations(limit: int) -> list[list[int]]:
    """Every sequence of up to `limit` words."""
    return [list(ids) for n in range(limit + 1) for ids in itertools.product(range(3, VOCABULARY), repeat=n)]
