"""Ternary weights: the gradient at the rounded weights is exact, and what reaches the masters is that gradient.

In words. A model whose weights are rounded is a float model at other weights, so its gradient there is exact. Along the
masters only the scales move, which the oracles notice; the rounding itself has no derivative, and the straight-through
estimate takes it for the identity.
"""

import numpy as np
import pytest
from gradient_draws import NORMS, SEEDS, SIZES, examples
from hypothesis import given

import numpy_transformer as nt
from numpy_transformer.gradcheck import ternary_cases
from numpy_transformer.gradcheck.check import GradientError
from numpy_transformer.gradcheck.model_cases import draw_batch, small_config
from numpy_transformer.gradcheck.oracles import random_signs
from numpy_transformer.layers.ternary import is_rounded, ternary

CONFIG = small_config(weights="ternary", dropout=0.0)


@given(seed=SEEDS, inputs=SIZES, outputs=SIZES)
def test_one_matrix(agree, seed, inputs, outputs):
    agree(ternary_cases.ternary(seed=seed, inputs=inputs, outputs=outputs), oracles=("complex step",))


@examples(0.1)
@given(seed=SEEDS, norm=NORMS)
def test_the_whole_model_along_random_directions(agree, seed, norm):
    for rounded in (True, False):
        case = ternary_cases.ternary_transformer(seed=seed, norm=norm, rounded=rounded)
        agree(case, along=True, oracles=("complex step",))


def test_every_single_derivative_at_the_rounded_weights(agree):
    agree(ternary_cases.ternary_transformer(seed=1, rounded=True), oracles=("complex step",))


def drawn():
    model = nt.Transformer(CONFIG, seed=3, dtype="float64")
    return model, *draw_batch((4, 2, 3), (3, 4, 2), CONFIG, seed=5)


def test_straight_through_the_masters_get_the_gradient_of_the_rounded_weights():
    """By central differences of the loss of the float model at V, along a random direction of each parameter."""
    model, source, target = drawn()
    loss, gradients = model.loss_and_gradients(source, target)
    assert loss == model.loss(source, target)
    step = 1e-5
    for name, gradient in gradients.named():
        direction = random_signs(gradient, seed=0)
        moved = []
        for sign in (1, -1):
            at_rounded = model.quantised()
            dict(at_rounded.parameters.named())[name][...] += sign * step * direction
            moved.append(at_rounded.loss(source, target))
        found = (moved[0] - moved[1]) / (2 * step)
        np.testing.assert_allclose((gradient * direction).sum(), found, rtol=1e-5, atol=1e-8, err_msg=name)


def test_it_is_no_derivative_along_the_masters():
    """Else there would be nothing to assume: the loss is flat in a weight, but for its share in the scale."""
    model, source, target = drawn()
    loss, gradients = model.loss_and_gradients(source, target)
    name = "encoder.0.feed_forward.hidden.weight"
    weight, gradient = dict(model.parameters.named())[name], dict(gradients.named())[name]
    trits, _ = ternary(weight)
    entry = np.unravel_index(int(abs(gradient).argmax()), gradient.shape)
    sign, step = float(np.sign(weight[entry])), 1e-6
    weight[entry] += step
    found = (model.loss(source, target) - loss) / step
    assert found == pytest.approx(sign * (gradient * trits).sum() / weight.size, rel=1e-3)
    assert abs(found) < 0.2 * abs(gradient[entry])


@pytest.mark.parametrize("wrong", ["no scale", "largest magnitude", "a scale that is taken for a constant"])
def test_a_wrong_scale_is_noticed(agree, monkeypatch, wrong):
    """The check would not notice a wrong rounding, which has no derivative: tests/layers/test_ternary.py does."""

    def other(weight):
        trits, scale = ternary(weight)
        match wrong:
            case "no scale":
                return trits, scale / scale
            case "largest magnitude":
                return trits, np.where(weight.real < 0, -weight, weight).reshape(-1)[abs(weight.real).argmax()]
            case _:
                return trits, scale.real

    monkeypatch.setattr(ternary_cases.rounding, "ternary", other)
    with pytest.raises(GradientError):
        agree(ternary_cases.ternary(seed=1), oracles=("complex step",))


def test_only_matrices_of_sublayers_are_rounded():
    model, *_ = drawn()
    rounded = dict(model.quantised().parameters.named())
    changed = {name for name, view in model.parameters.named() if not np.array_equal(view, rounded[name])}
    assert changed == {name for name, _ in model.parameters.named() if is_rounded(name)}
    assert len(changed) == 4 + 7  # query_key_value, output, hidden, output; and three of cross-attention
    assert all(name.endswith(".weight") for name in changed)
