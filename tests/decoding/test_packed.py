"""Packed weights give the same products, and the same decoding, as unpacked ones."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_model import padded

import numpy_transformer as nt
from numpy_transformer.decoding import IncrementalDecoder, beam_search, greedy_search, packed
from numpy_transformer.decoding.packed import PANEL, PackedModel, PackedWeight

CONFIG = nt.TransformerConfig(
    vocabulary_size=150, encoder_layers=1, decoder_layers=2, d_model=64, d_ff=80, heads=4, output_bias=True
)


@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(0, 150),
    inputs=st.sampled_from([1, 8, 64, 300, 3000]),
    outputs=st.sampled_from([PANEL, PANEL + 1, 2 * PANEL, 5 * PANEL - 1]),
    dtype=st.sampled_from(["float32", "float64"]),
    transposed=st.booleans(),
)
@settings(max_examples=60)
def test_a_packed_weight_multiplies_as_the_weight_does(seed, rows, inputs, outputs, dtype, transposed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, inputs)).astype(dtype)
    weight = rng.normal(size=(outputs, inputs)).astype(dtype).T
    weight = weight if transposed else np.ascontiguousarray(weight)
    y = np.matmul(x, PackedWeight(weight))
    assert y.dtype == dtype
    room = np.empty_like(y)
    assert np.matmul(x, PackedWeight(weight), out=room) is room
    np.testing.assert_array_equal(room, y)
    np.testing.assert_allclose(y, x @ weight, rtol=0, atol=(1e-3 if dtype == "float32" else 1e-10))


def test_a_packed_weight_does_nothing_else():
    x, weight = np.ones((2, 8)), PackedWeight(np.ones((8, PANEL)))
    for operation in (
        lambda: x + weight,
        lambda: np.matmul(weight, x),
        lambda: np.add.reduce(weight),
    ):
        with pytest.raises(TypeError):
            operation()


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_packed_model_decodes_as_the_whole_model(monkeypatch, norm, dtype):
    """Also where NumPy's BLAS would not gain by it."""
    monkeypatch.setattr(packed, "has_small_kernels", lambda: True)
    model = nt.Transformer(CONFIG.replace(norm=norm), seed=0, dtype=dtype)
    model.parameters.flat[...] += np.random.default_rng(0).normal(size=model.parameters.flat.shape) * 0.1
    used = PackedModel(model)
    assert isinstance(used.parameters.decoder[0].feed_forward.hidden.weight, PackedWeight)
    source = padded([[5, 9, 3, 7, 2], [11, 2]])
    decoder = IncrementalDecoder(used, source)
    tokens = np.random.default_rng(1).integers(3, 150, (2, 3, 12))
    tokens[:, :, 0] = CONFIG.bos_id
    for length in range(1, 13):
        found = decoder.step(tokens[:, :, length - 1])
        for row in range(2):
            expected = model.logits(np.tile(source[row], (3, 1)), tokens[row, :, :length])[:, -1]
            tolerance = 1e-4 if dtype == "float32" else 1e-10
            np.testing.assert_allclose(found[row], expected, rtol=tolerance, atol=tolerance)


def test_searches_find_the_same_packed_or_not(monkeypatch):
    model = nt.Transformer(CONFIG, seed=3, dtype="float64")
    source, limits = padded([[5, 9, 3, 7, 2], [11, 2], [40, 41, 2]]), np.array([12, 9, 0])
    searches = (
        lambda models: beam_search(models, source, limits=limits, beam=4, alpha=0.6, rows=2),
        lambda models: greedy_search(models, source, limits=limits),
        lambda models: beam_search([models, models], source, limits=limits, beam=3, alpha=0.6, n_best=3),
    )
    for search in searches:
        found = []
        for pays in (False, True):
            monkeypatch.setattr(packed, "has_small_kernels", lambda pays=pays: pays)
            found.append(search(PackedModel(model)))
        for plain, faster in zip(*found, strict=True):
            assert [one.ids for one in plain] == [one.ids for one in faster]
            np.testing.assert_allclose([one.score for one in plain], [one.score for one in faster], atol=1e-9)


def test_a_packed_model_keeps_the_weights_it_was_made_from(monkeypatch):
    """As its documentation warns: after changing a model, pack it again."""
    monkeypatch.setattr(packed, "has_small_kernels", lambda: True)
    model = nt.Transformer(CONFIG, seed=0)
    used = PackedModel(model)
    x = np.ones((3, CONFIG.d_model), dtype="float32")
    before = used.projection.logits(x)
    model.parameters.tree.embedding.weight[...] = 0
    np.testing.assert_array_equal(used.projection.logits(x), before)
    assert not PackedModel(model).projection.logits(x).any()
