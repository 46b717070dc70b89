"""The order of an epoch: that of the plain loop it once was, bit for bit, for any lengths; and at any size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.data.epoch_order import batches_by_length
from numpy_transformer.data.id_rows import IdRows


def plain_loop(lengths, batch_tokens, *, seed, epoch=0):
    """The textbook: sort, then add one text after the other to a batch as long as it fits."""
    rng = None if seed is None else np.random.default_rng((seed, epoch))
    ties = np.arange(len(lengths[0])) if rng is None else rng.permutation(len(lengths[0]))
    order = np.lexsort((ties, *lengths))
    batches, start, longest = [], 0, 0
    for end, index in enumerate(order):
        its_length = max(side[index] for side in lengths)
        longest = max(longest, its_length)
        if longest * (end + 1 - start) > batch_tokens and end > start:
            batches.append(order[start:end])
            start, longest = end, its_length
    if start < len(order):
        batches.append(order[start:])
    if rng is not None:
        rng.shuffle(batches)
    return batches


def same(one, other):
    return [batch.tolist() for batch in one] == [batch.tolist() for batch in other]


LENGTHS = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40)), max_size=80)
SEEDS = st.one_of(st.none(), st.integers(0, 9))


@given(LENGTHS, st.integers(1, 300), SEEDS, st.integers(0, 3), st.booleans())
def test_it_is_the_order_of_the_plain_loop(pairs, batch_tokens, seed, epoch, one_side):
    sides = [np.array(side, dtype=np.int64) for side in zip(*pairs, strict=True)] or [np.zeros(0, np.int64)] * 2
    lengths = sides[:1] if one_side else sides
    options = {"seed": seed, "epoch": epoch}
    assert same(batches_by_length(lengths, batch_tokens, **options), plain_loop(lengths, batch_tokens, **options))


@pytest.mark.parametrize("largest", [200, 255, 256, 65_535, 65_536, 100_000])
def test_lengths_of_any_size_and_type(largest):
    rng = np.random.default_rng(largest)
    sides = [rng.integers(1, largest + 1, 500) for _ in range(2)]
    sides[0][7] = largest
    for dtype in (np.int64, np.uint32):
        lengths = [side.astype(dtype) for side in sides]
        assert same(batches_by_length(lengths, 3 * largest, seed=1), plain_loop(sides, 3 * largest, seed=1))


def test_many_pairs_in_natural_lengths():
    rng = np.random.default_rng(0)
    target = (rng.gamma(4, 8, 20_000) + 2).astype(np.int64)
    source = np.maximum(1, (target * rng.normal(1, 0.2, len(target))).astype(np.int64))
    for batch_tokens in (64, 4096):
        lengths = (source, target)
        assert same(batches_by_length(lengths, batch_tokens, seed=3), plain_loop(lengths, batch_tokens, seed=3))


def test_the_lengths_stay_as_they_are():
    lengths = np.array([3, 1, 2], dtype=np.uint16)
    batches_by_length((lengths, lengths), 4, seed=0)
    assert lengths.tolist() == [3, 1, 2]


@given(st.lists(st.lists(st.integers(0, 60_000), max_size=6), max_size=8))
def test_rows_come_back(rows):
    kept = IdRows.of(rows)
    assert [row.tolist() for row in kept] == rows
    assert kept.lengths.tolist() == [len(row) for row in rows]


def test_a_digest_does_not_depend_on_how_ids_are_kept():
    rows = IdRows.of([[1, 2, 60_000], [3]])
    small = IdRows(rows.ids.astype(np.uint16), rows.lengths.astype(np.uint16))
    assert b"".join(rows.digested()) == b"".join(small.digested())
    assert b"".join(rows.digested()) == np.array([3, 1]).tobytes() + np.array([1, 2, 60_000, 3], np.int32).tobytes()
