"""The models of one stack, the decoder alone and the encoder alone: ids in, loss out, one gradient for every number.

In words. Nothing new is differentiated: the layers are the encoder's. What differs is who may see whom (a causal mask,
or padding only), what enters (learned positions, token types), and what is predicted: the next token everywhere, the
masked words, or one class for each text. The loss's own part of the table's gradient is assigned before the embedding
adds; for a classifier there is no such part, and the other head's gradients are 0.
"""

import math

import numpy as np
import pytest
from gradient_draws import DROPOUTS, NORMS, SEEDS, examples, lengths
from hypothesis import given
from hypothesis import strategies as st

import numpy_transformer as nt
from numpy_transformer.gradcheck.model_cases import small_config
from numpy_transformer.gradcheck.one_stack_cases import LEARNED, draw_texts, encoder, language_model
from numpy_transformer.gradcheck.oracles import random_signs

LENGTHS = st.integers(2, 5).flatmap(lambda longest: lengths(longest, smallest=2))
BERT = LEARNED | {"activation": "gelu", "token_types": 2}


@examples(0.25)
@given(seed=SEEDS, norm=NORMS, lengths=LENGTHS, layers=st.integers(1, 2), dropout=DROPOUTS, learned=st.booleans())
def test_the_decoder_alone_along_random_directions(agree, seed, norm, lengths, layers, dropout, learned):
    case = language_model(seed=seed, norm=norm, lengths=lengths, layers=layers, dropout=dropout, learned=learned)
    agree(case, along=True, oracles=("complex step",))


@examples(0.25)
@given(
    seed=SEEDS,
    norm=NORMS,
    lengths=LENGTHS,
    head=st.sampled_from((("words", "mean"), ("classes", "mean"), ("classes", "first"))),
    dropout=DROPOUTS,
    learned=st.booleans(),
)
def test_the_encoder_alone_along_random_directions(agree, seed, norm, lengths, head, dropout, learned):
    kind, pooling = head
    case = encoder(seed=seed, norm=norm, lengths=lengths, head=kind, pooling=pooling, dropout=dropout, learned=learned)
    agree(case, along=True, oracles=("complex step",))


@pytest.mark.parametrize("learned", [False, True])
def test_every_single_derivative(agree, learned):
    agree(language_model(seed=1, norm="pre", learned=learned), oracles=("complex step",))
    agree(encoder(seed=1, norm="post", learned=learned), oracles=("complex step",))
    agree(encoder(seed=1, norm="post", head="classes", learned=learned), along=True)


def two_models(kind, config):
    return [kind(config, seed=1, dtype=dtype) for dtype in ("float64", "complex128")]


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("options", [{}, LEARNED, BERT])
def test_the_public_gradients_with_dropout_on(norm, options):
    """loss_and_gradients with a fixed dropout seed, along a random direction, against the complex step."""
    config = small_config(norm=norm, dropout=0.3, attention_dropout=0.2, labels=("a", "b"), **options)
    ids = draw_texts((5, 3, 4), config, seed=3)
    words = np.where(np.arange(5) % 2 == 0, ids, config.pad_id)
    for kind, arguments in (
        (nt.LanguageModel, (ids,)),
        (nt.Encoder, (ids, words)),
        (nt.Encoder, (ids, np.array([1, 0, 1]))),
    ):
        model, moved = two_models(kind, config)
        model.parameters.flat[:] = 0.5 * np.random.default_rng(4).standard_normal(model.parameters.flat.shape)
        _, gradients = model.loss_and_gradients(*arguments, seed=7, label_smoothing=0.1)
        signs = random_signs(model.parameters.flat, seed=5)
        moved.parameters.flat[:] = model.parameters.flat + 1e-20j * signs
        loss, _ = moved.loss_and_gradients(*arguments, seed=7, label_smoothing=0.1)
        claimed = float((gradients.flat * signs).sum())
        largest = np.abs(gradients.flat).max() * math.sqrt(gradients.flat.size)
        assert abs(claimed - float(loss.imag) / 1e-20) <= 1e-13 * largest


def arguments_of(kind, config, seed=0):
    """A batch for each thing that a model of this kind learns."""
    ids = draw_texts((5, 2, 4), config, seed)
    if kind is nt.LanguageModel:
        return [(ids,)]
    words = np.where(np.arange(5) % 3 == 1, ids, config.pad_id)
    return [(ids, words), (ids, np.array([0, 1, 0]))]


@pytest.mark.parametrize("options", [{}, LEARNED])
@pytest.mark.parametrize("kind", [nt.LanguageModel, nt.Encoder])
def test_parts_of_a_batch_sum_to_the_whole_and_padding_changes_nothing(kind, options):
    config = small_config(labels=("a", "b"), pooling="mean", **options)
    model = kind(config, seed=2, dtype="float64")
    for ids, *targets in arguments_of(kind, config):
        words = bool(targets) and targets[0].ndim == 2
        loss, whole = model.loss_and_gradients(ids, *targets)
        gold = ids[:, 1:] if not targets else targets[0]
        count = int((gold != config.pad_id).sum()) if words or not targets else len(ids)
        total, flat = 0.0, np.zeros_like(whole.flat)
        for rows in (slice(0, 1), slice(1, 3)):
            part, gradients = model.loss_and_gradients(ids[rows], *(t[rows] for t in targets), token_count=count)
            total, flat = total + part, flat + gradients.flat
        assert math.isclose(total, loss, rel_tol=1e-12)
        np.testing.assert_allclose(flat, whole.flat, rtol=1e-9, atol=1e-11 * np.abs(whole.flat).max())

        def wide(x):
            return np.pad(x, ((0, 0), (0, 1)), constant_values=config.pad_id) if x.ndim == 2 else x

        padded_loss, padded = model.loss_and_gradients(wide(ids), *map(wide, targets))
        assert math.isclose(padded_loss, loss, rel_tol=1e-12)
        np.testing.assert_allclose(padded.flat, whole.flat, rtol=1e-9, atol=1e-11 * np.abs(whole.flat).max())


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("options", [{}, LEARNED])
def test_the_decoder_alone_cannot_see_the_future(norm, options):
    """Change tokens from position 3 on: the logits before it stay equal in every bit. The encoder's do change."""
    config = small_config(norm=norm, decoder_layers=2, encoder_layers=2, **options)
    ids = draw_texts((6, 6), config, seed=1)
    changed = ids.copy()
    changed[:, 3:] = 3 + (ids[:, 3:] - 2) % (config.vocabulary_size - 3)
    model = nt.LanguageModel(config, dtype="float64")
    np.testing.assert_array_equal(model.logits(changed)[:, :3], model.logits(ids)[:, :3])
    reader = nt.Encoder(config, dtype="float64")
    assert (np.abs(reader.hidden(changed)[:, :3] - reader.hidden(ids)[:, :3]).max(axis=-1) > 1e-6).all()


def test_a_text_does_not_know_its_batch():
    config = small_config(labels=("a", "b", "c"), pooling="mean")
    ids = draw_texts((5, 3), config, seed=1)
    model, reader = nt.LanguageModel(config, dtype="float64"), nt.Encoder(config, dtype="float64")
    np.testing.assert_allclose(model.logits(ids)[1, :3], model.logits(ids[1:, :3])[0], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(reader.hidden(ids)[1, :3], reader.hidden(ids[1:, :3])[0], rtol=1e-9, atol=1e-11)
    alone = reader.class_probabilities(ids[1:, :3])
    np.testing.assert_allclose(reader.class_probabilities(ids)[1:], alone, rtol=1e-9)
    np.testing.assert_allclose(alone.sum(), 1)


@pytest.mark.parametrize("kind", [nt.LanguageModel, nt.Encoder])
def test_recomputation_gives_the_same_bits(kind):
    config = small_config(decoder_layers=2, encoder_layers=2, dropout=0.2, labels=("a", "b"), **LEARNED)
    for arguments in arguments_of(kind, config):
        (loss, kept), (again, recomputed) = (
            kind(config, recompute=recompute).loss_and_gradients(*arguments, seed=3) for recompute in (False, True)
        )
        assert loss == again
        np.testing.assert_array_equal(kept.flat, recomputed.flat)
