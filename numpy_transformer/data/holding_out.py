"""Which pairs of a text are held out, decided by 64-bit hashes, so that a text of any size needs no set of sentences.

Each pair draws its place from its own words and the seed. So the choice does not depend on the order of the pairs, nor
on the version of a random generator. That two of n sentences have one hash, and would be taken for one, has the
probability n^2 / 2^65: one in a million for five million sentences.
"""

import hashlib

import numpy as np

from numpy_transformer.backend.arrays import Array


def pair_hash(source: str, target: str, seed: int) -> int:
    """A number that depends only on the pair and the seed: its place in the draw."""
    return _hash(f"{seed}\t{source}\t{target}")


def sentence_hash(sentence: str) -> int:
    """A number that stands for a sentence."""
    return _hash(sentence)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def hold_out_rows(pairs: Array, sources: Array, targets: Array, count: int) -> tuple[Array, Array]:
    """Choose `count` pairs (fewer if the text has fewer distinct sentences): (their indices, which ones may stay).

    pairs, sources, targets: (N,) uint64, the hashes of each pair and of its two sentences. The pairs with the lowest
    hashes are chosen, in this order, as long as neither sentence is among the chosen ones already. The second result is
    (N,) bool: True where neither sentence is.
    """
    chosen: list[int] = []
    taken_sources: set[int] = set()
    taken_targets: set[int] = set()
    for index in map(int, np.argsort(pairs, kind="stable")):
        if len(chosen) == count:
            break
        source, target = int(sources[index]), int(targets[index])
        if source not in taken_sources and target not in taken_targets:
            chosen.append(index)
            taken_sources.add(source)
            taken_targets.add(target)
    stays = ~np.isin(sources, sources[chosen]) & ~np.isin(targets, targets[chosen])
    return np.array(chosen, dtype=np.intp), stays
