"""Learning from parallel text which target tokens translate which source tokens.

The lexicon is IBM Model 1 (Brown et al. 1993, section 4.1; Och and Ney 2003, section 2.1.1): every target token t of a
pair was made by one of the pair's source tokens s, unknown which, with probability p(t | s). Expectation maximisation
guesses and counts in turn:

    guess    posterior(s made t) = p(t | s) / sum_s' p(t | s')         over the source tokens s' of the pair
    count    p(t | s) = sum of the posteriors / sum over all t'        over all pairs

What a pair has in common with others is explained by what they share, so the guesses sharpen from round to round.
"""

from collections.abc import Sequence

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.decoding.lexical_shortlist import Shortlist

FREQUENT = 1000  # target tokens that every sentence lists
TRANSLATIONS = 50  # of each source token, at most
ROUNDS = 5
MOST_LINKS = 10_000_000  # pairs of a source and a target token of one sentence: enough for a lexicon, and for memory

Sentences = Sequence[Sequence[int]]


def learn_shortlist(
    sources: Sentences,
    targets: Sentences,
    *,
    vocabulary_size: int,
    special: Sequence[int],
    frequent: int = FREQUENT,
    translations: int = TRANSLATIONS,
) -> Shortlist:
    """From parallel ids without bos and eos. `special` are the ids that every sentence lists: pad, bos and eos."""
    V = vocabulary_size
    counts = np.bincount(np.concatenate([np.zeros(0, dtype=np.intp), *map(_ids, targets)]), minlength=V)
    by_count = np.argsort(-counts, kind="stable")[:frequent]
    always = np.unique([*special, *by_count[counts[by_count] > 0]])

    source, target, probability = model_one(sources, targets, vocabulary_size=V)
    order = np.lexsort((-probability, source))  # by source token, the most probable translations first
    source, target = source[order], target[order]
    rank = np.arange(len(source)) - np.searchsorted(source, source)
    kept = rank < translations
    likely = np.full((V, translations), special[0])
    likely[source[kept], rank[kept]] = target[kept]
    return Shortlist(always.astype(np.int32), likely.astype(np.int32))


def model_one(
    sources: Sentences, targets: Sentences, *, vocabulary_size: int, rounds: int = ROUNDS
) -> tuple[Array, Array, Array]:
    """IBM Model 1: source tokens (n,), target tokens (n,) and p(target | source) (n,), of those that meet in a pair."""
    V = vocabulary_size
    pairs = [(_ids(s), _ids(t)) for s, t in zip(sources, targets, strict=True) if len(s) and len(t)]
    every = max(1, -(-sum(len(s) * len(t) for s, t in pairs) // MOST_LINKS))
    pairs = pairs[::every]
    # A link is a target token at its place in the text and one of the source tokens that may have made it.
    lengths = np.array([len(s) for s, t in pairs for _ in t], dtype=np.intp)  # of each place, how many links it has
    place = np.repeat(np.arange(len(lengths)), lengths)
    none = np.zeros(0, dtype=np.intp)
    link_source = np.concatenate([none, *(np.tile(s, len(t)) for s, t in pairs)])
    link_target = np.concatenate([none, *(np.repeat(t, len(s)) for s, t in pairs)])
    couples, couple = np.unique(link_source * V + link_target, return_inverse=True)
    source, target = couples // V, couples % V

    probability: Array = np.ones(len(couples))
    for _ in range(rounds):
        posterior = probability[couple]
        posterior /= np.bincount(place, posterior)[place]
        expected = np.bincount(couple, posterior, minlength=len(couples))
        probability = expected / np.bincount(source, expected)[source]
    return source, target, probability


def _ids(sentence: Sequence[int]) -> Array:
    return np.asarray(sentence, dtype=np.intp)
