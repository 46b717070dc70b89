"""What the trainer gives an encoder to read: texts cut into tokens anew each time, if asked."""

from types import SimpleNamespace

import numpy as np
import pytest

import bpe
from numpy_transformer.data.corpora import Corpus
from numpy_transformer.data.files import ParallelText
from numpy_transformer.data.plain_text import MASK
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.reading_tasks import ClassificationTask

TEXTS = [f"Where did the painter buy picture number {number}?" for number in range(8)]
LABELS = ["LOC", "HUM"] * 4
TOKENIZER = bpe.train(TEXTS, vocabulary_size=285, special_tokens=("<pad>", "<bos>", "<eos>", MASK))
ALL = np.arange(len(TEXTS))


@pytest.fixture
def task():
    def made(**options: object) -> ClassificationTask:
        text = ParallelText(TEXTS, LABELS)
        corpus = Corpus("mine", "text", "label", text, text, ParallelText([], []))
        given = {"model": "encoder", "task": "classify", "d_model": 16, "heads": 2, **options}
        return ClassificationTask(TrainingOptions(**given), corpus, TOKENIZER, SimpleNamespace(say=print))

    return made


def test_the_draw_follows_from_the_key(task):
    """So a resumed run, or one with more workers, reads the same tokens."""
    drawing = task(bpe_dropout=0.3)
    first, again, other = (drawing.batch(ALL, key) for key in ((0, 1, 2), (0, 1, 2), (0, 1, 3)))
    np.testing.assert_array_equal(first.ids, again.ids)
    assert first.ids.tolist() != other.ids.tolist()
    np.testing.assert_array_equal(first.targets, other.targets)


def test_a_draw_is_the_same_text_in_more_tokens(task):
    plain, drawing = task(), task(bpe_dropout=0.5)
    for kept, drawn, text in zip(plain.drawn(ALL, (0,)), drawing.drawn(ALL, (0,)), TEXTS, strict=True):
        assert TOKENIZER.decode(drawn[1:-1].tolist()) == text
        assert (drawn[0], drawn[-1]) == (kept[0], kept[-1])
        assert len(drawn) > len(kept)
    for valid in drawing.validation_batches():
        assert valid.ids.tolist() in [batch.ids.tolist() for batch in plain.validation_batches()]


def test_a_draw_that_is_too_long_is_left_out(task):
    longest = max(map(len, task().train)) - 2
    plain, drawing = task(max_length=longest), task(max_length=longest, bpe_dropout=0.9)
    for kept, drawn in zip(plain.drawn(ALL, (0,)), drawing.drawn(ALL, (0,)), strict=True):
        np.testing.assert_array_equal(kept, drawn)
