"""Workers, micro-batches and one whole batch are three ways to the same gradient."""

import numpy as np
import pytest

from numpy_transformer.config import TransformerConfig
from numpy_transformer.data.batching import Batch, EncodedText
from numpy_transformer.model import Transformer
from numpy_transformer.optimizer import Adam
from numpy_transformer.parallel import Workers, physical_cores

CONFIG = TransformerConfig(
    vocabulary_size=40, encoder_layers=1, decoder_layers=2, d_model=8, d_ff=12, heads=2, dropout=0.0
)


def make_batches(count: int, sentences: int = 7) -> list[Batch]:
    rng = np.random.default_rng(0)
    batches = []
    for _ in range(count):
        sides = [[rng.integers(3, 40, rng.integers(1, 9)).tolist() for _ in range(sentences)] for _ in range(2)]
        text = EncodedText.from_ids(sides[0], sides[1], CONFIG)
        batches.append(text.batch(np.arange(sentences), CONFIG.pad_id))
    return batches


def gradients(workers: int, batches: list[Batch], config: TransformerConfig = CONFIG, seed=None):
    model = Transformer(config, seed=1, dtype="float64")
    with Workers(model, workers) as pool:
        loss = pool.loss_and_gradients(batches, seed=seed, label_smoothing=0.1)
        return loss, pool.gradients.copy()


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 9])
@pytest.mark.parametrize("micro_batches", [1, 2, 3])
def test_parts_add_up_to_the_whole(workers, micro_batches):
    batches = make_batches(micro_batches)
    rows = [row for batch in batches for row in batch.source]
    targets = [row for batch in batches for row in batch.target]

    def stack(rows):
        out = np.zeros((len(rows), max(map(len, rows))), dtype=int)
        for target, row in zip(out, rows, strict=True):
            target[: len(row)] = row
        return out

    model = Transformer(CONFIG, seed=1, dtype="float64")
    whole_loss, whole = model.loss_and_gradients(stack(rows), stack(targets), label_smoothing=0.1)
    loss, flat = gradients(workers, batches)
    assert loss == pytest.approx(whole_loss, rel=1e-12)
    np.testing.assert_allclose(flat, whole.flat, rtol=0, atol=1e-12 * abs(whole.flat).max())


def test_a_seed_repeats_every_bit_and_another_does_not():
    config = CONFIG.replace(dropout=0.3, attention_dropout=0.2)
    batches = make_batches(2)
    loss, flat = gradients(2, batches, config, seed=(5, 1))
    again, flat_again = gradients(2, batches, config, seed=(5, 1))
    other, _ = gradients(2, batches, config, seed=(5, 2))
    assert loss == again
    np.testing.assert_array_equal(flat, flat_again)
    assert loss != other


def test_clipping_bounds_what_adam_sees():
    model = Transformer(CONFIG, seed=1, dtype="float64")
    adam = Adam.for_parameters(model.parameters.flat)
    with Workers(model, 2) as pool:
        [result] = pool.step(adam, make_batches(1), rate=0.0, seed=None, label_smoothing=0.1, clip=0.01)
        assert result.gradient_norm > 0.01
        assert np.linalg.norm(pool.gradients) == pytest.approx(0.01)


def test_a_gradient_that_is_not_finite_changes_nothing():
    model = Transformer(CONFIG, seed=1, dtype="float64")
    adam = Adam.for_parameters(model.parameters.flat)
    with Workers(model, 2) as pool:
        assert pool.step(adam, make_batches(1), rate=0.1, seed=None, label_smoothing=0.1)[0].updated
        model.parameters.tree.decoder[1].feed_forward.output.weight[0, 0] = np.nan
        before = model.parameters.flat.copy(), adam.first_moment.copy(), adam.second_moment.copy()
        [result] = pool.step(adam, make_batches(1), rate=0.1, seed=None, label_smoothing=0.1)
    assert not result.updated
    assert adam.step == 1
    for old, new in zip(before, (model.parameters.flat, adam.first_moment, adam.second_moment), strict=True):
        np.testing.assert_array_equal(old, new)


def test_there_is_at_least_one_core():
    assert physical_cores() >= 1
