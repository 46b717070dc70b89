"""The cost formulas of docs/performance.md against the program's counted products and measured caches and peaks."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.lib.array_utils import byte_bounds

from numpy_transformer.data.batching import Batch, EncodedText
from numpy_transformer.layers.output_loss import PRODUCT_ROWS, OutputParameters, output_loss_and_gradients
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.encoder_decoder import transformer_forward
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.costs import StepSize, cache_bytes, step_bytes, step_flops
from numpy_transformer.training.diagnostics import memory_note
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import Workers

CONFIG = TransformerConfig(vocabulary_size=97, encoder_layers=3, decoder_layers=2, d_model=32, d_ff=72, heads=4)
VARIANTS: dict[str, dict[str, Any]] = {
    "the paper's": {},
    "without dropout": {"dropout": 0.0},
    "dropout on the weights": {"attention_dropout": 0.1},
    "pre-norm": {"norm": "pre"},
    "swish": {"activation": "swish"},
    "two passes": {"consistency": 5.0},
}


def batch_of(config: TransformerConfig, size: StepSize) -> Batch:
    """Ids without padding."""
    rng = np.random.default_rng(0)
    source = rng.integers(3, config.vocabulary_size, (size.sentences, size.source_length))
    target = rng.integers(3, config.vocabulary_size, (size.sentences, 1 + size.target_length))
    return Batch(source, target, target[:, 1:].size)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [StepSize(5, 7, 6), StepSize(2, 3, 11)])
def test_flops_are_those_of_the_products(size, variant, recompute, monkeypatch):
    counted = 0
    matmul = np.matmul

    def counting(a, b, **options):
        nonlocal counted
        if a.ndim > 1 and b.ndim > 1:  # a sum, written as a product with a vector of ones, is none
            counted += 2 * a.size * b.shape[-1]
        return matmul(a, b, **options)

    config = CONFIG.replace(**VARIANTS[variant])
    model = Transformer(config, recompute=recompute)
    batch = batch_of(config, size)
    monkeypatch.setattr(np, "matmul", counting)
    model.loss_and_gradients(batch.source, batch.target, seed=1)
    assert counted == step_flops(config, size, recompute=recompute)


def buffers(tree: object) -> set[tuple[int, int]]:
    """(first, last) address of the memory behind every array in a tree of tuples."""
    if isinstance(tree, np.ndarray):
        while isinstance(tree.base, np.ndarray):
            tree = tree.base
        return {byte_bounds(tree)}  # not nbytes: a causal mask is a view of few values many times
    return {buffer for child in tree for buffer in buffers(child)} if isinstance(tree, tuple) else set()


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("dtype", "itemsize"), [("float32", 4), ("float64", 8)])
@pytest.mark.parametrize("size", [StepSize(5, 7, 6), StepSize(1, 1100, 5), StepSize(1, 5, 1100)])
def test_cache_bytes_are_those_of_the_arrays(size, variant, dtype, itemsize, recompute):
    config = CONFIG.replace(**VARIANTS[variant])
    model = Transformer(config, dtype=dtype)
    batch = batch_of(config, size)
    _, cache = transformer_forward(
        batch.source,
        batch.target[:, :-1],
        np.arange(batch.target[:, 1:].size),
        model.parameters.tree,
        config,
        dropouts=model._dropouts(1),
        recompute=recompute,
    )
    kept_layers = (*cache.encoder.stack.layers, *cache.decoder.stack.layers)
    inputs = [kept.forward.args[:2] for kept in kept_layers if recompute]
    held = buffers((cache.encoder, cache.decoder, tuple(inputs))) - buffers(model.parameters.flat)
    total = sum(last - first for first, last in held)
    assert cache_bytes(config, size, recompute=recompute, itemsize=itemsize) == pytest.approx(total, rel=0.02)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize(
    ("size", "workers", "consistency"),
    [
        (StepSize(128, 16, 16), 2, 0.0),
        (StepSize(4, 200, 180), 2, 0.0),
        (StepSize(1, 1100, 1100), 1, 0.0),
        (StepSize(8, 16, 16), 4, 0.0),
        (StepSize(128, 16, 16), 2, 5.0),
        (StepSize(4, 200, 180), 2, 5.0),
    ],
)
def test_step_bytes_are_near_the_peak(size, workers, recompute, consistency):
    config = TransformerConfig.preset("tiny", vocabulary_size=4000).replace(consistency=consistency)
    batch = batch_of(config, size)
    tracemalloc.start()
    try:
        model = Transformer(config, recompute=recompute)
        adam = Adam.for_parameters(model.parameters.flat)
        with Workers(model, workers) as pool:
            tracemalloc.reset_peak()
            pool.step(adam, [batch], rate=1e-4, seed=(0,), label_smoothing=0.1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    estimate = step_bytes(config, model.parameters.flat.size, size, workers=workers, recompute=recompute)
    assert 0.75 < estimate / peak < 1.3


def test_the_loss_holds_the_logits_of_one_chunk_only():
    V, D, chunks = 2000, 8, 4
    rng = np.random.default_rng(0)
    x = rng.normal(size=(chunks * PRODUCT_ROWS, D)).astype("float32")
    parameters = OutputParameters(rng.normal(size=(V, D)).astype("float32"))
    gradients = OutputParameters(np.empty_like(parameters.weight))
    targets = rng.integers(0, V, len(x))
    tracemalloc.start()
    output_loss_and_gradients(x, parameters, targets, gradients, label_smoothing=0.1, token_count=len(x))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    logits = PRODUCT_ROWS * V * x.itemsize
    assert logits <= peak < 1.3 * logits


def test_too_little_memory_is_said_before_the_system_ends_the_run():
    text = EncodedText.from_ids([[5] * 9, [5] * 3], [[5] * 7, [5]], CONFIG)
    batches = [np.array([0]), np.array([1])]
    size = StepSize(1, 10, 8)  # with eos
    need = step_bytes(CONFIG, 1000, size, workers=2)

    def note(available: int | None) -> str | None:
        return memory_note(CONFIG, 1000, text, batches, workers=2, recompute=False, available=available)

    assert note(None) is None
    assert note(need) is None
    line = note(need - 1)
    assert line is not None
    assert "1 sentence of up to 10 and 8 tokens" in line
    assert "--batch-tokens" in line
    assert "--recompute" in line
    assert "\n" not in line
