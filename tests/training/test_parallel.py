"""Workers, micro-batches and one whole batch are three ways to the same gradient."""

import numpy as np
import pytest

from numpy_transformer.data.batching import Batch, EncodedText
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training import parallel
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import TOKENS_PER_WORKER, Workers, default_workers, physical_cores

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


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("micro_batches", [1, 2])
def test_two_passes_add_up_over_workers_and_micro_batches(workers, micro_batches):
    """With masks that drop nothing the term is 0, however the batch is divided: the plain loss is left."""
    batches = make_batches(micro_batches)
    config = CONFIG.replace(dropout=1e-12, consistency=7.0)
    plain_loss, plain = gradients(workers, batches)
    loss, flat = gradients(workers, batches, config, seed=(5, 1))
    assert loss == pytest.approx(plain_loss, rel=1e-9)
    np.testing.assert_allclose(flat, plain, rtol=0, atol=1e-7 * abs(plain).max())


def test_the_two_passes_of_a_batch_are_those_of_its_parts():
    """The parts' losses, with the masks that each worker draws and the whole batch's count, add up to the step's."""
    config = CONFIG.replace(dropout=0.3, consistency=7.0)
    batches = make_batches(2)
    loss, flat = gradients(2, batches, config, seed=(5, 1))
    model = Transformer(config, seed=1, dtype="float64")
    count = sum(batch.token_count for batch in batches)
    total, summed = 0.0, np.zeros_like(flat)
    for number, batch in enumerate(batches):
        for worker, shard in enumerate(batch.shards(2, config.pad_id)):
            part, found = model.loss_and_gradients(*shard.inputs, seed=(5, 1, number, worker), token_count=count)
            total, summed = total + part, summed + found.flat
    assert loss == pytest.approx(total, rel=1e-12)
    np.testing.assert_allclose(flat, summed, rtol=0, atol=1e-12 * abs(summed).max())


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


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_repeats_every_bit(workers, dtype):
    """Several updates with dropout and clipping, twice: parameters and both moments agree in every bit."""
    first, second = (trained(workers, dtype, dropout=0.3, seed=4) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 5e-5)])
def test_worker_counts_agree_to_rounding(dtype, tolerance):
    """Five updates without dropout: each number of workers only sums in another order."""
    reference = trained(1, dtype, dropout=0.0, seed=None)
    for workers in (2, 3, 7, 9):
        for one, other in zip(reference, trained(workers, dtype, dropout=0.0, seed=None), strict=True):
            np.testing.assert_allclose(other, one, rtol=0, atol=tolerance * abs(one).max())


def trained(workers: int, dtype: str, *, dropout: float, seed: int | None) -> tuple[np.ndarray, ...]:
    """Parameters and moments after five updates, each from two batches."""
    model = Transformer(CONFIG.replace(dropout=dropout, attention_dropout=dropout), seed=1, dtype=dtype)
    adam = Adam.for_parameters(model.parameters.flat)
    adam.epsilon = 1e-3  # the usual 1e-9 turns a gradient of nothing but rounding (a key bias's) into a whole update
    with Workers(model, workers) as pool:
        for step in range(5):
            key = None if seed is None else (seed, step)
            [result] = pool.step(adam, make_batches(2), rate=0.01, seed=key, label_smoothing=0.1, clip=0.5)
            assert result.updated
    return model.parameters.flat, adam.first_moment, adam.second_moment


def test_more_workers_than_sentences_change_nothing():
    batches = make_batches(1, sentences=2)
    loss, flat = gradients(2, batches)
    with_idle_workers, same = gradients(16, batches)
    assert with_idle_workers == loss
    np.testing.assert_array_equal(flat, same)


def test_there_is_at_least_one_core():
    assert physical_cores() >= 1


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 8), ("200000 100000", 2), ("50000 100000", 1), ("250000 100000", 2), ("6400000 100000", 8)],
)
def test_a_container_counts_the_cores_it_may_use(quota, expected, monkeypatch, tmp_path):
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: range(100000, 100008), raising=False)
    monkeypatch.setattr(parallel, "CPU_QUOTA", tmp_path / "cpu.max")
    assert physical_cores() == 8
    (tmp_path / "cpu.max").write_text(quota + "\n")
    assert physical_cores() == expected


@pytest.mark.parametrize("cores", [1, 2, 8, 64])
def test_default_workers_are_cores_that_have_enough_to_do(cores, monkeypatch):
    monkeypatch.setattr(parallel, "physical_cores", lambda: cores)
    assert default_workers(16) == 1
    assert default_workers(2 * TOKENS_PER_WORKER - 1) == 1
    assert default_workers(2 * TOKENS_PER_WORKER) == min(cores, 2)
    assert default_workers(10**6) == cores
