"""The whole model: ids in, loss out, one gradient for every number.

In words. Two things are new. First, the decoder's gradient with respect to the memory starts the encoder's backward.
Second, one table E serves in three places: it embeds the source, embeds the target, and projects onto the vocabulary.
The loss reaches E along three ways, and the chain rule adds them:

    dE = dE (projection)  +  dE (target lookup)  +  dE (source lookup)

The projection comes last forward, so its part comes first backward: it assigns, the two lookups add.

The loss is divided by the number of real target tokens of the whole batch. For a part of a batch that number is passed
in, and then losses and gradients of the parts sum to those of the whole: that is all there is to workers and to
gradient accumulation.
"""

import math
from itertools import pairwise

import numpy as np
import pytest
from gradient_draws import DROPOUTS, NORMS, SEEDS, examples, lengths
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.gradcheck.model_cases import draw_batch, small_config, transformer
from numpy_transformer.gradcheck.oracles import (
    central_differences,
    central_differences_along,
    complex_step_along,
    random_signs,
)
from numpy_transformer.models.transformer import Transformer

LENGTHS = st.integers(1, 4).flatmap(lambda longest: lengths(longest, smallest=1))


@examples(0.25)
@given(
    seed=SEEDS,
    norm=NORMS,
    lengths=LENGTHS,
    layers=st.integers(1, 2),
    dropout=DROPOUTS,
    smoothing=st.sampled_from((0.0, 0.1, 1.0)),
)
def test_every_parameter_along_a_random_direction(agree, seed, norm, lengths, layers, dropout, smoothing):
    case = transformer(
        seed=seed,
        norm=norm,
        source_lengths=lengths,
        target_lengths=tuple(reversed(lengths)),
        layers=layers,
        dropout=dropout,
        label_smoothing=smoothing,
    )
    agree(case, along=True, oracles=("complex step",))


@examples(0.5)
@given(seed=SEEDS, norm=NORMS, lengths=LENGTHS, dropout=DROPOUTS)
def test_all_parameters_along_one_random_direction(seed, norm, lengths, dropout):
    """Everything moves at once; both oracles. A sum of n entries, each with an error of 1e-13 of the largest, has an
    error of about sqrt(n) times as much."""
    case = transformer(
        seed=seed, norm=norm, source_lengths=lengths, target_lengths=tuple(reversed(lengths)), dropout=dropout
    )
    gradients = case.gradients(case.inputs)
    signs = {name: random_signs(x, seed + i) for i, (name, x) in enumerate(case.inputs.items())}
    claimed = sum(float((gradients[name] * signs[name]).sum()) for name in signs)
    largest = max(float(np.abs(g).max()) for g in gradients.values())
    largest *= math.sqrt(sum(g.size for g in gradients.values()))
    assert abs(claimed - complex_step_along(case.forward, case.inputs, signs, case.upstream)) <= 1e-13 * largest
    value, uncertainty = central_differences_along(case.forward, case.inputs, signs, case.upstream)
    assert abs(claimed - value) <= max(1e-8 * largest, uncertainty)


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_every_single_derivative_of_the_model(agree, norm):
    """Once entry by entry: every number of the model, the shared embedding included."""
    agree(transformer(seed=1, norm=norm, dropout=0.2), oracles=("complex step",))
    agree(transformer(seed=1, norm=norm, imported=True), along=True, oracles=("complex step",))


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_the_shared_table_by_central_differences(norm):
    """Each entry of E, which reaches the loss along three ways, in real arithmetic."""
    case = transformer(seed=2, norm=norm, source_lengths=(3, 2), target_lengths=(2, 3), dropout=0.0)
    value, _ = central_differences(case.forward, case.inputs, "embedding.weight", case.upstream)
    gradient = case.gradients(case.inputs)["embedding.weight"]
    assert np.abs(gradient - value).max() <= 1e-8 * np.abs(gradient).max()


def make_model(norm="post", seed=0, **changes):
    return Transformer(small_config(norm=norm, **changes), seed=seed, dtype="float64")


@given(seed=SEEDS, norm=NORMS, lengths=LENGTHS, data=st.data())
@examples(0.5)
def test_parts_of_a_batch_sum_to_the_whole(seed, norm, lengths, data):
    """Workers and accumulation: shards with a common token_count; the loss and every gradient add up."""
    model = make_model(norm)
    source, target = draw_batch(lengths, tuple(reversed(lengths)), model.config, seed)
    count = int((target[:, 1:] != model.config.pad_id).sum())
    loss, whole = model.loss_and_gradients(source, target)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lengths)), max_size=2)))
    bounds = [0, *cuts, len(lengths)]
    total, flat = 0.0, np.zeros_like(whole.flat)
    for start, end in pairwise(bounds):
        if start < end:
            part, gradients = model.loss_and_gradients(source[start:end], target[start:end], token_count=count)
            total, flat = total + part, flat + gradients.flat
    assert math.isclose(total, loss, rel_tol=1e-12)
    np.testing.assert_allclose(flat, whole.flat, rtol=1e-9, atol=1e-11 * np.abs(whole.flat).max())


@given(seed=SEEDS, norm=NORMS, lengths=LENGTHS, extra=st.integers(1, 3))
@examples(0.5)
def test_more_padding_changes_nothing(seed, norm, lengths, extra):
    model = make_model(norm)
    source, target = draw_batch(lengths, lengths, model.config, seed)
    wide = [np.pad(ids, ((0, 0), (0, extra)), constant_values=model.config.pad_id) for ids in (source, target)]
    loss, gradients = model.loss_and_gradients(source, target)
    padded_loss, padded = model.loss_and_gradients(*wide)
    assert math.isclose(padded_loss, loss, rel_tol=1e-12)
    np.testing.assert_allclose(padded.flat, gradients.flat, rtol=1e-9, atol=1e-11 * np.abs(gradients.flat).max())


@given(seed=SEEDS, norm=NORMS)
@examples(0.5)
def test_a_sentence_does_not_know_its_batch(seed, norm):
    """Logits of a sentence alone, and beside longer ones."""
    model = make_model(norm)
    source, target = draw_batch((2, 4, 3), (2, 3, 4), model.config, seed)
    beside = model.logits(source, target[:, :-1])
    alone = model.logits(source[:1, :2], target[:1, :3])
    np.testing.assert_allclose(beside[0, :3], alone[0], rtol=1e-9, atol=1e-10)


@given(seed=SEEDS, norm=NORMS, at=st.integers(1, 4))
@examples(0.5)
def test_the_future_cannot_be_seen(seed, norm, at):
    """Change target words from position `at` on: the logits before it stay equal in every bit."""
    model = make_model(norm, decoder_layers=2)
    source, target = draw_batch((4, 2), (5, 5), model.config, seed)
    changed = target.copy()
    changed[:, at:] = (changed[:, at:] + 1) % model.config.vocabulary_size
    before, after = model.logits(source, target[:, :-1]), model.logits(source, changed[:, :-1])
    np.testing.assert_array_equal(after[:, :at], before[:, :at])


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("V", [2000, 8000])
def test_loss_at_initialisation_is_about_log_v(norm, V):
    """A fresh model knows nothing: its logits are about N(0, 1), and ln of the mean of exp(N(0, 1)) is 1/2, so the loss
    is about ln V + 1/2. (With a small V it is larger: the shared table makes the word just read a likely next one.)"""
    config = small_config(norm=norm, vocabulary_size=V, d_model=64, d_ff=128, heads=4)
    model = Transformer(config, seed=0, dtype="float64")
    source, target = draw_batch((20,) * 16, (20,) * 16, config, seed=1)
    assert abs(model.loss(source, target) - (math.log(V) + 0.5)) < 0.15


def test_a_sentence_of_padding_only_beside_a_long_one(agree):
    """It has no target tokens, so it adds nothing to the loss or any gradient; and with an empty source, a target that
    is not empty still has exact gradients."""
    agree(transformer(seed=0, source_lengths=(4, 0), target_lengths=(3, 0)), along=True, oracles=("complex step",))
    agree(transformer(seed=0, source_lengths=(4, 0), target_lengths=(3, 2)), along=True, oracles=("complex step",))
    model = make_model()
    source, target = draw_batch((4, 0), (3, 0), model.config, seed=0)
    _, both = model.loss_and_gradients(source, target)
    _, alone = model.loss_and_gradients(source[:1], target[:1])
    np.testing.assert_allclose(both.flat, alone.flat, rtol=1e-10, atol=1e-14)


@given(seed=SEEDS, norm=NORMS, dropout=st.sampled_from((0.1, 0.5)))
@examples(0.25)
def test_the_public_gradient_with_dropout_on(seed, norm, dropout):
    """model.loss_and_gradients with a fixed dropout seed, along a random direction, against the complex step."""
    config = small_config(norm=norm, dropout=dropout, attention_dropout=dropout)
    source, target = draw_batch((4, 2), (2, 3), config, seed)
    model = Transformer(config, seed=1, dtype="float64")
    # Biases that are 0, as in a fresh model, put units of positions that dropout emptied exactly on the kink of ReLU.
    model.parameters.flat[:] = 0.5 * np.random.default_rng(seed).standard_normal(model.parameters.flat.shape)
    _, gradients = model.loss_and_gradients(source, target, seed=seed)
    signs = random_signs(model.parameters.flat, seed)
    moved = Transformer(config, seed=1, dtype="complex128")
    moved.parameters.flat[:] = model.parameters.flat + 1e-20j * signs
    loss, _ = moved.loss_and_gradients(source, target, seed=seed)
    claimed = float((gradients.flat * signs).sum())
    largest = np.abs(gradients.flat).max() * math.sqrt(gradients.flat.size)
    assert abs(claimed - float(loss.imag) / 1e-20) <= 1e-13 * largest
