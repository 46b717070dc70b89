"""Training pairs whose words every epoch cuts anew: the same text in other tokens, which seed and epoch decide."""

from itertools import islice, pairwise, takewhile

import numpy as np
import pytest
from small_run import numbers_in_words

import bpe
from numpy_transformer.data.batching import Batch
from numpy_transformer.data.bpe_dropout import DrawnPairs
from numpy_transformer.data.files import ParallelText
from numpy_transformer.models.config import TransformerConfig

LINES = [line.split("\t") for line in numbers_in_words(60)]
TEXT = ParallelText([source for source, _ in LINES], [target for _, target in LINES])
TOKENIZER = bpe.train([*TEXT.sources, *TEXT.targets], vocabulary_size=300)
CONFIG = TransformerConfig.preset("tiny", vocabulary_size=len(TOKENIZER))


def drawn(**changes: object) -> DrawnPairs:
    options = {"dropout": 0.3, "batch_tokens": 150, "max_length": 256, "seed": 5, **changes}
    return DrawnPairs(TEXT, TOKENIZER, CONFIG, **options)


def rows(side: object) -> list[list[int]]:
    return [list(ids) for ids in side]


def pairs_of(batch: Batch) -> list[tuple[str, str]]:
    return [tuple(TOKENIZER.decode(row.tolist()) for row in pair) for pair in zip(*batch.inputs, strict=True)]


def epoch_of(pairs: DrawnPairs, wanted: int) -> list[Batch]:
    until = takewhile(lambda item: item[0] <= wanted, pairs.batches(0))
    return [batch for epoch, batch in until if epoch == wanted]


@pytest.mark.parametrize("dropout", [0.0, 0.3, 0.9])
def test_every_epoch_is_the_same_text_once(dropout):
    pairs = drawn(dropout=dropout)
    count = len(epoch_of(pairs, 0))
    for epoch in range(3):
        batches = epoch_of(pairs, epoch)
        assert len(batches) == count
        assert sorted(pair for batch in batches for pair in pairs_of(batch)) == sorted(
            zip(TEXT.sources, TEXT.targets, strict=True)
        )


def test_without_dropout_the_tokens_are_the_plain_ones():
    text = drawn(dropout=0.0).encoded(3)
    assert rows(text.sources) == [[*TOKENIZER.encode(source), CONFIG.eos_id] for source in TEXT.sources]
    assert rows(text.targets) == [[CONFIG.bos_id, *TOKENIZER.encode(t), CONFIG.eos_id] for t in TEXT.targets]


def test_the_tokens_depend_on_seed_and_epoch_alone():
    first = drawn().encoded(1)
    assert rows(first.sources) == rows(drawn().encoded(1).sources)
    assert rows(first.targets) == rows(drawn().encoded(1).targets)
    others = (drawn().encoded(2), drawn(seed=6).encoded(1))
    assert all(rows(first.sources) != rows(other.sources) for other in others)
    assert all(rows(first.targets) != rows(other.targets) for other in others)


def test_the_two_sides_of_a_pair_are_drawn_apart():
    """A name that both languages share would otherwise always be cut alike."""
    same = ParallelText(TEXT.sources, TEXT.sources)
    text = DrawnPairs(same, TOKENIZER, CONFIG, dropout=0.3, batch_tokens=150, max_length=256, seed=5).encoded(0)
    assert [row[:-1] for row in rows(text.sources)] != [row[1:-1] for row in rows(text.targets)]


@pytest.mark.parametrize("start", [0, 3, 11, 12, 13, 40])
def test_a_resumed_stream_continues_the_first_and_cuts_no_epoch_before_it(start, monkeypatch):
    whole = list(islice(drawn().batches(0), start + 4))
    pairs, seen = drawn(), []
    encoded = pairs.encoded
    monkeypatch.setattr(pairs, "encoded", lambda epoch: seen.append(epoch) or encoded(epoch))
    rest = list(islice(pairs.batches(start), 4))
    for (epoch, batch), (resumed_epoch, resumed) in zip(whole[start:], rest, strict=True):
        assert epoch == resumed_epoch
        np.testing.assert_array_equal(batch.source, resumed.source)
        np.testing.assert_array_equal(batch.target, resumed.target)
    assert set(seen) <= {epoch for epoch, _ in rest}


def test_the_batches_of_an_epoch_are_in_another_order_and_hold_pairs_of_equal_lengths():
    pairs = drawn(batch_tokens=300)
    first, second = epoch_of(pairs, 0), epoch_of(pairs, 1)
    assert [pairs_of(batch) for batch in first] != [pairs_of(batch) for batch in second]
    lengths = sorted(((batch.target != CONFIG.pad_id).sum(axis=1)).tolist() for batch in second)
    assert all(max(shorter) <= min(longer) for shorter, longer in pairwise(sorted(lengths)))


def test_a_pair_that_would_become_too_long_keeps_its_plain_tokens():
    plain = drawn(dropout=0.0).encoded(0)
    longest = max(map(len, [*rows(plain.sources), *rows(plain.targets)])) - 1  # without eos, at least
    text = drawn(dropout=0.9, max_length=longest).encoded(0)
    lengths = [max(len(source) - 1, len(target) - 2) for source, target in zip(text.sources, text.targets, strict=True)]
    assert max(lengths) <= longest
    both = [rows(text.sources)[i] == rows(plain.sources)[i] for i in range(len(text))]
    assert any(both)
    assert not all(both)
