"""Check the gradient checks: they must notice every backward that mutation.py breaks, in every way.

Some alterations do not change the function's result. They are listed here with the reason. Any other survivor is a gap
in the checks, and an entry that no longer survives, or no longer exists, must be removed.
"""

import dataclasses
import re

import numpy as np
import pytest
from mutation import all_cases, backward_functions, check_layers, is_killed

from numpy_transformer.gradcheck import layer_cases
from numpy_transformer.gradcheck.check import GradientError, assert_contract, assert_gradients
from numpy_transformer.gradcheck.mutants import Mutant, installed, mutants_of
from numpy_transformer.layers import feed_forward, layer_norm, linear, multi_head_attention

AXIS = "in a four-dimensional array axis -2 is axis 2"
CHUNK = "only the number of rows that are handled at once changes"
EQUIVALENT = {
    "one_stack_backward: leave out: g.input.token_types.weight[...] = 0": "the encoder begins with gradients of 0",
    "scaled_dot_product_attention_backward: drop the minus: -2  ->  2": AXIS,
    "blocked_attention_backward: drop the minus: -2  ->  2": AXIS,
    "cross_entropy_backward: always: if label_smoothing: dlogits -= scale * label_smoothing / V": "it subtracts 0",
    "stack_backward: leave out: layer_is_done(gradient)": "it tells other ranks (tests/training/test_buckets.py)",
    "swish_backward: exchange two names: gate, y = cache  ->  y, gate = cache": "g + y (1 - g) = y + g (1 - y)",
    "gelu_backward: exchange two names: cumulative, bell = cache  ->  bell, cumulative = cache": "they are added",
    "output_loss_and_gradients: always: if N == 0: gradients.weight[...] = 0": "it is assigned again",
    "_loss_in_place: always: if with_gradient: cross_entropy_backward(1.0, cache, out=block)": (
        "without gradients nobody looks at the overwritten logits"
    ),
    "ternary_parameters: exchange two names: trits, scale = ternary(weight)  ->  scale, trits = ternary(weight)": (
        "they are multiplied"
    ),
    "_loss_in_place: another number: 1  ->  2": CHUNK,
    "_loss_in_place: drop the right operand: CACHED_LOGITS // logits.shape[-1]": CHUNK,
    "_loss_in_place: drop the left operand: CACHED_LOGITS // logits.shape[-1]": CHUNK,
    "_loss_in_place: drop the minus: -1  ->  1": "logits have two axes",
    "_loss_in_place: another number: -1  ->  0": CHUNK,
}


def reason_of(mutant: Mutant) -> str | None:
    """Why a mutant does not change the result, or None."""
    return EQUIVALENT.get(mutant.label) or EQUIVALENT.get(mutant.label.partition("  ->  ")[0])


def test_every_mutant_is_killed(capsys):
    cases = all_cases()
    survivors, killed, found = [], 0, set()
    for function in backward_functions():
        for mutant in mutants_of(function):
            if is_killed(mutant, cases):
                killed += 1
            elif reason_of(mutant):
                found |= {mutant.label, mutant.label.partition("  ->  ")[0]}
            else:
                survivors.append(mutant.label)
    with capsys.disabled():
        print(f"\n{killed} mutants killed, {len(survivors)} survived; {len(EQUIVALENT)} kinds are equivalent")
    assert not survivors, "the gradient checks do not notice:\n" + "\n".join(survivors)
    assert killed >= 60
    stale = [label for label in EQUIVALENT if label not in found]
    assert not stale, "listed as equivalent, but not among the survivors:\n" + "\n".join(stale)


def test_the_unbroken_backwards_pass_the_same_checks():
    """Otherwise a check that always fails would kill every mutant."""
    cases = all_cases()
    for module in cases:
        check_layers(cases, module)


def test_every_module_with_a_backward_is_covered():
    assert {function.__module__.rpartition(".")[2] for function in backward_functions()} == set(all_cases())


def test_a_mutant_is_installed_everywhere_and_removed_again():
    """linear_backward is imported by name in three modules; all must see the mutant, and none afterwards."""
    mutant = next(m for m in mutants_of(linear.linear_backward) if "forget the transpose: x_rows.T" in m.label)
    modules = (linear, feed_forward, multi_head_attention)
    with installed(mutant):
        assert all(module.linear_backward is not mutant.function for module in modules)
    assert all(module.linear_backward.reference is mutant.function for module in modules)


def test_a_failure_names_everything_needed():
    """Layer, parameter, index, both values, and the call that reproduces it."""
    mutant = next(
        m for m in mutants_of(layer_norm.layer_norm_backward) if "sum instead of mean: row_mean(dnormalized)" in m.label
    )
    with installed(mutant), pytest.raises(GradientError) as caught:
        assert_gradients(layer_cases.layer_norm(seed=7))
    message = str(caught.value)
    assert re.search(r"layer_norm: dx \(2, 3, 6\) at \[\d, \d, \d\]: backward \S+, complex step \S+,", message)
    assert "central differences" in message
    assert "reproduce with: python -m numpy_transformer.gradcheck 'layer_norm(seed=7)'" in message


def test_the_contract_check_notices_a_changed_argument_and_an_unassigned_gradient():
    case = layer_cases.linear(seed=0)

    def changes_dy(dy, cache, parameters, gradients):
        dx = case.backward_pass(dy, cache, parameters, gradients)
        dy *= 2
        return dx

    def forgets_bias(dy, cache, parameters, gradients):
        dx = case.backward_pass(dy, cache, parameters, gradients)
        gradients.bias[...] = np.nan
        return dx

    for broken, message in ((changes_dy, "changed its argument dy"), (forgets_bias, "unassigned")):
        with pytest.raises(GradientError, match=message):
            assert_contract(dataclasses.replace(case, backward_pass=broken))


def test_an_infinite_gradient_agrees_with_nothing():
    case = layer_cases.dropout(seed=1)

    def infinite(dy, cache, parameters, gradients):
        return (np.full_like(dy, np.inf),)

    for along in (False, True):
        with pytest.raises(GradientError), np.errstate(invalid="ignore"):
            assert_gradients(dataclasses.replace(case, backward_pass=infinite), along=along)
