"""benchmarks/training_step.py compares equal work: its JAX side computes the loss and gradients that ours does."""

import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import numpy_transformer as nt

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
CONFIG = nt.TransformerConfig.preset("tiny", vocabulary_size=50).replace(dropout=0.0)


@pytest.fixture
def jax_side(monkeypatch):
    pytest.importorskip("jax", reason="JAX is not installed")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield import_module("training.jax_side")
    for name in ("training", "training.jax_side"):
        sys.modules.pop(name, None)


def jax_tree(tree):
    """Our tree of parameters, or of gradients, in the shape of the JAX side's."""

    def leaf(parameters):
        return dict(parameters._asdict())

    def layer(p):
        own = {"qkv": leaf(p.self_attention.query_key_value), "out": leaf(p.self_attention.output)}
        own |= {"norm": leaf(p.self_attention_norm), "last_norm": leaf(p.feed_forward_norm)}
        own |= {"hidden": leaf(p.feed_forward.hidden), "output": leaf(p.feed_forward.output)}
        if hasattr(p, "cross_attention"):
            cross = {name: leaf(getattr(p.cross_attention, name)) for name in ("query", "key_value")}
            own["cross"] = cross | {"out": leaf(p.cross_attention.output), "norm": leaf(p.cross_attention_norm)}
        return own

    return {
        "embedding": tree.embedding.weight,
        "encoder": [layer(p) for p in tree.encoder],
        "decoder": [layer(p) for p in tree.decoder],
    }


def test_jax_computes_what_we_compute(jax_side):
    jax = import_module("jax")
    model = nt.Transformer(CONFIG, seed=0)
    rng = np.random.default_rng(1)
    model.parameters.flat[...] += 0.05 * rng.standard_normal(len(model.parameters.flat))  # no bias 0, no gain 1
    source, target = rng.integers(3, 50, (3, 6)), rng.integers(3, 50, (3, 8))
    source[1, 4:], target[2, 5:] = CONFIG.pad_id, CONFIG.pad_id
    loss, gradients = model.loss_and_gradients(source, target, label_smoothing=0.1)

    parameters = jax.tree.map(jax.numpy.asarray, jax_tree(model.parameters.tree))
    assert sum(leaf.size for leaf in jax.tree.leaves(parameters)) == len(model.parameters.flat)
    assert jax.tree.map(np.shape, parameters) == jax.tree.map(np.shape, jax_side.initial_parameters(CONFIG))
    found, dparameters = jax.value_and_grad(jax_side.loss_of)(
        parameters, jax.random.key(0), source, target, config=CONFIG, label_smoothing=0.1
    )
    assert float(found) == pytest.approx(float(loss), rel=1e-5)
    expected = jax_tree(gradients.tree)
    assert jax.tree.structure(expected) == jax.tree.structure(dparameters)
    for ours, theirs in zip(jax.tree.leaves(expected), jax.tree.leaves(dparameters), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-4 * max(1e-3, abs(ours).max()))
