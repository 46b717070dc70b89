"""Recomputation: the same bits, in less memory."""

import tracemalloc

import numpy as np
import pytest

from numpy_transformer.data.batching import Batch
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import Workers

CONFIG = TransformerConfig.preset("tiny", vocabulary_size=50).replace(
    d_model=16, d_ff=32, heads=2, encoder_layers=3, decoder_layers=3, dropout=0.3, attention_dropout=0.2
)


def draw_batch(sentences, length, seed=0):
    source, target = np.random.default_rng(seed).integers(3, CONFIG.vocabulary_size, (2, sentences, length))
    target = np.insert(target, 0, CONFIG.bos_id, axis=1)
    source[0, length // 2 :] = target[0, 1 + length // 2 :] = CONFIG.pad_id
    return source, target


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_loss_and_gradients_are_equal_in_every_bit(norm):
    source, target = draw_batch(4, 6)
    results = []
    for recompute in (False, True):
        model = Transformer(CONFIG.replace(norm=norm), seed=1, recompute=recompute)
        results.append(model.loss_and_gradients(source, target, seed=(7, 3)))
    (loss, kept), (loss_again, again) = results
    assert loss == loss_again
    np.testing.assert_array_equal(kept.flat, again.flat)


def test_steps_of_workers_with_accumulation_are_equal_in_every_bit():
    batches = []
    for seed in range(2):
        source, target = draw_batch(5, 6, seed)
        batches.append(Batch(source, target, int((target[:, 1:] != CONFIG.pad_id).sum())))
    parameters = []
    for recompute in (False, True):
        model = Transformer(CONFIG, seed=1, recompute=recompute)
        adam = Adam.for_parameters(model.parameters.flat)
        with Workers(model, 2) as workers:
            for step in range(3):
                workers.step(adam, batches, rate=1e-2, seed=(0, step), label_smoothing=0.1)
        parameters.append(model.parameters.flat)
    np.testing.assert_array_equal(*parameters)


def test_memory_falls():
    source, target = draw_batch(8, 40)
    peaks = []
    for recompute in (False, True):
        model = Transformer(CONFIG, seed=1, recompute=recompute)
        gradients = model.parameters.twin()
        tracemalloc.start()
        model.loss_and_gradients(source, target, seed=0, gradients=gradients)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # Six layers' caches become one layer's cache and six inputs.
    assert peaks[1] < 0.5 * peaks[0]
