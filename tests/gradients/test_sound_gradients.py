"""The model that hears: feature vectors in, loss out, one gradient for every number.

In words. The source embedding's part of the table's gradient falls away; in its place the encoder's backward ends in a
linear layer. Padding is a vector of zeros: it is masked wherever positions meet, so that nothing depends on it.
"""

import math

import numpy as np
import pytest
from gradient_draws import DROPOUTS, NORMS, SEEDS, examples, lengths
from hypothesis import given
from hypothesis import strategies as st

import numpy_transformer as nt
from numpy_transformer.gradcheck.model_cases import draw_batch, draw_vectors, small_config, transformer
from numpy_transformer.gradcheck.oracles import random_signs

LENGTHS = st.integers(1, 4).flatmap(lambda longest: lengths(longest, smallest=1))
F = 5


def make_model(norm="post", *, dtype="float64", **changes):
    return nt.SoundTransformer(small_config(norm=norm, source_features=F, **changes), seed=1, dtype=dtype)


def sounds(lengths, seed):
    """Vectors (B, S, F) and targets (B, 1 + T)."""
    _, target = draw_batch(lengths, tuple(reversed(lengths)), small_config(), seed)
    return draw_vectors(lengths, F, seed + 1), target


@examples(0.25)
@given(seed=SEEDS, norm=NORMS, lengths=LENGTHS, layers=st.integers(1, 2), dropout=DROPOUTS)
def test_every_parameter_along_a_random_direction(agree, seed, norm, lengths, layers, dropout):
    case = transformer(
        seed=seed,
        norm=norm,
        source_lengths=lengths,
        target_lengths=tuple(reversed(lengths)),
        layers=layers,
        dropout=dropout,
        features=F,
    )
    agree(case, along=True)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_every_single_derivative(agree, norm):
    agree(transformer(seed=2, norm=norm, features=F), oracles=("complex step",))


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_public_gradients_with_dropout_on(norm):
    """loss_and_gradients with a fixed dropout seed, along a random direction, against the complex step."""
    source, target = sounds((4, 2, 3), seed=3)
    model, moved = (make_model(norm, dtype=dtype, dropout=0.3) for dtype in ("float64", "complex128"))
    model.parameters.flat[:] = 0.5 * np.random.default_rng(4).standard_normal(model.parameters.flat.shape)
    _, gradients = model.loss_and_gradients(source, target, seed=7)
    signs = random_signs(model.parameters.flat, seed=5)
    moved.parameters.flat[:] = model.parameters.flat + 1e-20j * signs
    loss, _ = moved.loss_and_gradients(source, target, seed=7)
    claimed = float((gradients.flat * signs).sum())
    largest = np.abs(gradients.flat).max() * math.sqrt(gradients.flat.size)
    assert abs(claimed - float(loss.imag) / 1e-20) <= 1e-13 * largest


@examples(0.5)
@given(seed=SEEDS, norm=NORMS, lengths=LENGTHS, extra=st.integers(1, 3))
def test_more_padding_changes_nothing(seed, norm, lengths, extra):
    model = make_model(norm)
    source, target = sounds(lengths, seed)
    loss, gradients = model.loss_and_gradients(source, target)
    wide = np.pad(source, ((0, 0), (0, extra), (0, 0)))
    padded_loss, padded = model.loss_and_gradients(wide, target)
    assert math.isclose(padded_loss, loss, rel_tol=1e-12)
    np.testing.assert_allclose(padded.flat, gradients.flat, rtol=1e-9, atol=1e-11 * np.abs(gradients.flat).max())


@examples(0.5)
@given(seed=SEEDS, norm=NORMS)
def test_a_sound_does_not_know_its_batch(seed, norm):
    model = make_model(norm)
    source, target = sounds((2, 4, 3), seed)
    beside = model.logits(source, target[:, :-1])
    alone = model.logits(source[:1, :2], target[:1, :3])
    np.testing.assert_allclose(beside[0, :3], alone[0], rtol=1e-9, atol=1e-10)


def test_parts_of_a_batch_sum_to_the_whole():
    model = make_model()
    source, target = sounds((2, 4, 3), seed=1)
    count = int((target[:, 1:] != 0).sum())
    loss, whole = model.loss_and_gradients(source, target)
    parts = [
        model.loss_and_gradients(source[rows], target[rows], token_count=count) for rows in (slice(0, 1), slice(1, 3))
    ]
    assert math.isclose(sum(part for part, _ in parts), loss, rel_tol=1e-12)
    np.testing.assert_allclose(sum(g.flat for _, g in parts), whole.flat, rtol=1e-9, atol=1e-13)


def test_recompute_gives_the_same_bits():
    source, target = sounds((3, 4), seed=2)
    plain, saving = make_model(dropout=0.2), make_model(dropout=0.2)
    saving.recompute = True
    (loss, gradients), (again, others) = (m.loss_and_gradients(source, target, seed=3) for m in (plain, saving))
    assert loss == again
    np.testing.assert_array_equal(gradients.flat, others.flat)


def test_the_source_shares_no_matrix():
    """The table is used by target and output only: a word that occurs in neither place has no lookup's gradient."""
    model = make_model()
    names = dict(model.parameters.named())
    assert names["feature_projection.weight"].shape == (F, 6)
    assert names["feature_projection.bias"].shape == (6,)
    words = nt.Transformer(small_config(), seed=1, dtype="float64")
    assert model.parameters.flat.size == words.parameters.flat.size + F * 6 + 6


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (np.ones((2, 3)), "3-D array of floating-point vectors of 5 numbers"),
        (np.ones((2, 3, 4)), r"got float64 \(2, 3, 4\)"),
        (np.ones((2, 3, F), dtype=int), "floating-point"),
        (np.ones((2, 0, F)), "3-D array"),
        (np.full((2, 3, F), np.nan), "not finite"),
        (np.ones((3, 3, F)), "source has 3 sounds, target 2 texts"),
        (
            np.stack([np.eye(3, F), np.eye(3, F) * [[0], [1], [1]]]),
            "a vector of zeros, which is padding, before another",
        ),
    ],
)
def test_what_is_no_sound_is_refused(source, said):
    _, target = sounds((3, 3), seed=0)
    with pytest.raises(nt.InputError, match=said):
        make_model().loss_and_gradients(source, target)


def test_each_class_says_which_one_is_meant():
    with pytest.raises(nt.InputError, match="source_features is 5; a Transformer has 0: use SoundTransformer"):
        nt.Transformer(small_config(source_features=F))
    with pytest.raises(nt.InputError, match="source_features is 0; a SoundTransformer needs"):
        nt.SoundTransformer(small_config())
    for kind in (nt.LanguageModel, nt.Encoder):
        with pytest.raises(nt.InputError, match="only a SoundTransformer can have it"):
            kind(small_config(source_features=F))
    with pytest.raises(nt.InputError, match="source_features is -1; it must be 0 or a positive whole number"):
        small_config(source_features=-1)


def test_a_file_says_that_its_model_hears(tmp_path):
    model = make_model(dtype="float32")
    model.save(tmp_path / "model.safetensors")
    loaded = nt.SoundTransformer.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.parameters.flat, model.parameters.flat)
    assert repr(model).startswith("<SoundTransformer: 1+1 layers")
    with pytest.raises(nt.InputError, match=r"of the kind sound: open it with nt\.SoundTransformer, translate\.py"):
        nt.Transformer.load(tmp_path / "model.safetensors")
