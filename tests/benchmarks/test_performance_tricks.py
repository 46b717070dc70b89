"""The plain twins of benchmarks/performance_tricks.py compute what the tricks do: they differ in speed alone."""

import numpy as np
import pytest

from benchmarks.performance_tricks import TRICKS, Setup, switched_off
from numpy_transformer.data.batching import Batch
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.parallel import Workers

CONFIG = TransformerConfig(vocabulary_size=97, encoder_layers=2, decoder_layers=2, d_model=32, d_ff=72, heads=4)
REPLACED = [name for name, trick in TRICKS.items() if name not in ("float32", "masks", "buckets", "kernel")]


def loss_and_gradients(setup: Setup, batch: Batch, seed: tuple[int, ...] | None) -> tuple[float, np.ndarray]:
    model = Transformer(CONFIG, dtype="float64", recompute=setup.recompute)
    model.parameters.flat[...] += np.random.default_rng(1).normal(0, 0.1, model.parameters.flat.size)
    with Workers(model, setup.workers) as workers:
        loss = workers.loss_and_gradients([batch], seed=seed, label_smoothing=0.1)
        return loss, workers.gradients.copy()


@pytest.mark.parametrize("name", REPLACED)
def test_a_twin_gives_the_same_loss_and_gradients(name):
    rng = np.random.default_rng(0)
    source, target = rng.integers(3, CONFIG.vocabulary_size, (2, 6, 9))
    source[4:, 5:] = target[4:, 7:] = CONFIG.pad_id
    batch = Batch(source, target, int((target[:, 1:] != CONFIG.pad_id).sum()))
    # Another number of workers draws other masks.
    seed = None if name == "workers" else (3,)
    loss, gradients = loss_and_gradients(Setup(2), batch, seed)
    setup = Setup(2)
    with switched_off(name, setup):
        twin_loss, twin_gradients = loss_and_gradients(setup, batch, seed)
    assert twin_loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(twin_gradients, gradients, rtol=0, atol=1e-13 * abs(gradients).max() * 100)


@pytest.mark.parametrize("name", ["masks"])
def test_the_other_masks_keep_the_same_share(name):
    from numpy_transformer.backend.dropout_masks import DropoutMasks

    with switched_off(name, Setup(1)):
        kept = DropoutMasks(0.3, seed=1).next_mask((200, 500))
    assert abs(kept.mean() - 0.7) < 0.01
