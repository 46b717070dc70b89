"""Batches: every pair exactly once, within the size, little padding, and a pure function of (seed, epoch)."""

from itertools import islice

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.data.batching import Batch, EncodedText, epoch_batches, padded, training_batches
from numpy_transformer.models.config import TransformerConfig

CONFIG = TransformerConfig.preset("tiny", vocabulary_size=300)
LENGTHS = st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=60)


def text_of(lengths: list[tuple[int, int]]) -> EncodedText:
    sources = [[3 + i % 200] * s for i, (s, _) in enumerate(lengths)]
    targets = [[3 + i % 200] * t for i, (_, t) in enumerate(lengths)]
    return EncodedText.from_ids(sources, targets, CONFIG)


@given(LENGTHS, st.integers(16, 200), st.integers(0, 5), st.integers(0, 3))
def test_each_pair_once_and_no_batch_too_large(lengths, batch_tokens, seed, epoch):
    text = text_of(lengths)
    batches = epoch_batches(text, batch_tokens, seed=seed, epoch=epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(text)))
    for indices in batches:
        batch = text.batch(indices, CONFIG.pad_id)
        positions = max(batch.source.size, batch.target[:, 1:].size)
        assert positions <= batch_tokens or len(indices) == 1


@given(LENGTHS, st.integers(0, 5), st.integers(0, 3))
def test_the_order_is_a_function_of_seed_and_epoch(lengths, seed, epoch):
    text = text_of(lengths)
    first = epoch_batches(text, 64, seed=seed, epoch=epoch)
    second = epoch_batches(text, 64, seed=seed, epoch=epoch)
    assert [b.tolist() for b in first] == [b.tolist() for b in second]


def test_epochs_differ():
    text = text_of([(i % 7 + 1, i % 5 + 1) for i in range(200)])
    orders = {tuple(np.concatenate(epoch_batches(text, 64, seed=0, epoch=e)).tolist()) for e in range(4)}
    assert len(orders) == 4


def test_a_batch_has_eos_bos_padding_and_counts_real_tokens():
    text = EncodedText.from_ids([[5, 6], [7]], [[8], [9, 10, 11]], CONFIG)
    batch = text.batch(np.array([0, 1]), CONFIG.pad_id)
    assert batch.source.tolist() == [[5, 6, 2], [7, 2, 0]]
    assert batch.target.tolist() == [[1, 8, 2, 0, 0], [1, 9, 10, 11, 2]]
    assert batch.token_count == 2 + 4


@given(LENGTHS, st.integers(1, 70))
def test_shards_hold_the_batch(lengths, parts):
    text = text_of(lengths)
    batch = text.batch(np.arange(len(text)), CONFIG.pad_id)
    shards = batch.shards(parts, CONFIG.pad_id)
    assert len(shards) == min(parts, len(lengths))
    assert sum(shard.token_count for shard in shards) == batch.token_count
    rows = [row[row != CONFIG.pad_id].tolist() for shard in shards for row in shard.source]
    assert rows == [row[row != CONFIG.pad_id].tolist() for row in batch.source]
    for shard in shards:  # trimmed: the last column of each side holds a real token
        assert (shard.source[:, -1] != CONFIG.pad_id).any()
        assert (shard.target[:, -1] != CONFIG.pad_id).any()


@given(LENGTHS, st.integers(0, 12))
def test_a_resumed_stream_continues_the_first(lengths, start):
    text = text_of(lengths)

    def take(count: int, **options: int) -> list[tuple[int, Batch]]:
        return list(islice(training_batches(text, 64, pad_id=0, seed=3, **options), count))

    whole, rest = take(start + 5), take(5, start=start)
    for (epoch, batch), (resumed_epoch, resumed) in zip(whole[start:], rest, strict=True):
        assert epoch == resumed_epoch
        np.testing.assert_array_equal(batch.source, resumed.source)
        np.testing.assert_array_equal(batch.target, resumed.target)


def test_sorting_wastes_little_on_natural_lengths():
    rng = np.random.default_rng(0)
    lengths = rng.poisson(12, 5000) + 1
    text = text_of([(int(n + rng.integers(0, 4)), int(n)) for n in lengths])
    batches = [text.batch(indices, 0) for indices in epoch_batches(text, 1024, seed=0)]
    real = sum(batch.token_count for batch in batches)
    assert sum(batch.target[:, 1:].size for batch in batches) < 1.03 * real


def test_padded_keeps_rows():
    assert padded([np.array([1, 2]), np.array([3])], 0).tolist() == [[1, 2], [3, 0]]
