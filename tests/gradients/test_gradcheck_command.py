"""python -m numpy_transformer.gradcheck: its table, its picture, its exit status."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mutation import installed, mutants_of

from numpy_transformer.backend.arrays import device_module
from numpy_transformer.errors import InputError
from numpy_transformer.gradcheck import layer_cases
from numpy_transformer.gradcheck.__main__ import main
from numpy_transformer.gradcheck.examine import examine
from numpy_transformer.gradcheck.report import first_wrong
from numpy_transformer.gradcheck.suite import SUITE, derivation_of
from numpy_transformer.layers.attention import scaled_dot_product_attention_backward
from numpy_transformer.layers.cross_entropy import cross_entropy_backward
from numpy_transformer.layers.dropout import dropout_backward
from numpy_transformer.layers.feed_forward import feed_forward_backward
from numpy_transformer.layers.layer_norm import layer_norm_backward
from numpy_transformer.layers.linear import linear_backward
from numpy_transformer.layers.softmax import softmax_backward
from numpy_transformer.models.blocks import encoder_layer_backward

PACKAGE = Path(__file__).resolve().parents[2] / "numpy_transformer"


def test_every_layer_has_a_derivation_where_the_table_says():
    for layer in SUITE:
        text = (PACKAGE / derivation_of(layer)).read_text(encoding="utf-8")
        assert "Derivation" in text.split('"""')[1], layer


def test_every_layer_file_is_in_the_table():
    # Without a gradient of their own; the normal distribution is a part of GELU's.
    without = {"__init__.py", "arithmetic.py", "parameters.py", "position_table.py", "normal_distribution.py"}
    models = {"blocks.py", "encoder_decoder.py", "one_stack.py", "encoder_only.py"}
    files = {path.name for path in (PACKAGE / "layers").glob("*.py")} - without
    assert files == {Path(derivation_of(layer)).name for layer in SUITE} - models


def test_every_row_group_has_a_name_of_its_own_that_the_command_knows():
    for layer, recipe in SUITE.items():
        cases = recipe(0, np)
        assert {case.name.partition(" (")[0] for case in cases} == {layer}
        assert len({case.name for case in cases}) == len(cases)


def test_the_whole_table_agrees(capsys):
    assert main([]) == 0
    output = capsys.readouterr().out
    assert "0 disagreements" in output
    assert "transformer (pre-norm)" in output
    assert output.count("equal") >= 190


@pytest.mark.parametrize("seed", ["1", "2"])
def test_other_seeds_agree(seed):
    assert main(["layer_norm", "attention", "cross_entropy", "--seed", seed]) == 0


def broken(function, label):
    """The mutant of `function` whose label contains `label`, in place of the function."""
    return installed(next(m for m in mutants_of(function) if label in m.label))


def test_a_wrong_gradient_is_named_and_gives_status_1(capsys):
    with broken(softmax_backward, "leave out: dx *= y"):
        assert main(["softmax", "--seed", "4"]) == 1
        output = capsys.readouterr().out
        assert "WRONG" in output
        # What "reproduce with" says is a line that runs, and finds the same.
        line = next(line for line in output.split("\n") if "reproduce with: " in line).partition(": ")[2]
        assert line == "python -m numpy_transformer.gradcheck 'softmax(seed=4)' --show"
        assert main(shlex.split(line)[3:]) == 1
    again = capsys.readouterr().out
    assert next(line for line in output.split("\n") if line.startswith("softmax: dx")) in again
    assert "dx by the backward" in again
    assert "by the oracle" in again
    assert "backward / oracle" in again


def examined():
    """The outcome of every case, fast."""
    return [
        outcome
        for name in SUITE
        for outcome in examine(name, lambda name=name: SUITE[name](0, np), along=True, oracles=("complex step",))
    ]


@pytest.mark.parametrize(
    ("function", "label", "layer"),
    [
        (linear_backward, "leave out: column_sums", "linear"),
        (dropout_backward, "drop the right operand: dy * cache.kept", "dropout"),
        (softmax_backward, "flip the sign", "softmax"),
        (layer_norm_backward, "drop the right operand: dnormalized - shift", "layer_norm"),
        (cross_entropy_backward, "drop the right operand: dloss / token_count", "cross_entropy"),
        (scaled_dot_product_attention_backward, "forget the root", "attention"),
        (feed_forward_backward, "skip the layer", "feed_forward"),
        (encoder_layer_backward, "skip the layer", "encoder_layer"),
    ],
)
def test_the_first_wrong_layer_is_the_broken_one(function, label, layer):
    """Not one that contains it: in the suite every layer stands behind those that it is made of."""
    with broken(function, label):
        first, line = first_wrong(examined())
    assert first.layer == layer
    assert line.startswith(f"First wrong: {layer}")
    assert derivation_of(layer) in line


def test_details_are_of_the_first_wrong_layer_only_unless_all_are_asked_for(capsys):
    with broken(layer_norm_backward, "drop the right operand: dnormalized - shift"):
        assert main(["layer_norm", "softmax", "residual"]) == 1
        one = capsys.readouterr().out
        assert main(["layer_norm", "softmax", "residual", "--all"]) == 1
        every = capsys.readouterr().out
    assert "First wrong: layer_norm dx (layers/layer_norm.py)" in one
    assert "off by the same amount along the last axis: a mean" in one
    assert one.count("reproduce with") == 1
    assert "residual (post-norm): d" not in one
    assert every.count("reproduce with") == 3  # and both residual connections
    assert "residual (post-norm): d" in every


def test_the_page_shows_what_is_printed(capsys):
    page = (PACKAGE.parent / "docs" / "gradients.md").read_text(encoding="utf-8")
    example = page.partition("## When a gradient is wrong")[2].split("```\n")[1]
    with broken(layer_norm_backward, "drop the right operand: dnormalized - shift"):
        _, line = first_wrong(examined())
        main(["layer_norm"])
    output = capsys.readouterr().out
    first, values, *rest = example.rstrip().split("\n")
    without_count = r"\d+ more layers"
    assert re.sub(without_count, "", first) == re.sub(without_count, "", line)
    assert values.partition(": backward")[0] in output  # the last digits are the processor's
    assert "\n".join(rest) in output


def raises(*arguments):
    raise NotImplementedError


def returns_nothing(dy, x, parameters, gradients):
    linear_backward(dy, x, parameters, gradients)


def changes_dy(dy, x, parameters, gradients):
    dx = linear_backward(dy, x, parameters, gradients)
    dy *= 2
    return dx


def forgets_a_transpose(dy, x, parameters, gradients):
    return dy @ parameters.weight


def forgets_bias(dy, x, parameters, gradients):
    dx = linear_backward(dy, x, parameters, gradients)
    gradients.bias[...] = np.nan
    return dx


def returns_another_shape(dy, x, parameters, gradients):
    return linear_backward(dy, x, parameters, gradients)[0]


def calls_an_argument_wrongly(dy, x, parameters, gradients):
    return linear_backward(dy, x, parameters)


@pytest.mark.parametrize(
    ("backward", "row"),
    [
        (raises, r"raised NotImplementedError at .*test_gradcheck_command.py:\d+: raise NotImplementedError"),
        (returns_nothing, "returned None; it must return dx, an array"),
        (changes_dy, "changed its argument dy"),
        (forgets_a_transpose, r"raised ValueError: matmul.* at .*:\d+: return dy @ parameters.weight"),
        (forgets_bias, r"bias +5 +nan +nan +NOT WRITTEN"),
        (returns_another_shape, r"returned a dx of the shape \(3, 4\); x has \(2, 3, 4\)"),
        (calls_an_argument_wrongly, r"raised TypeError.*missing 1 required.*at .*: return linear_backward"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_whatever_a_backward_does_is_a_row_and_the_table_goes_on(backward, row, capsys, monkeypatch):
    monkeypatch.setattr(layer_cases, "linear_backward", backward)
    monkeypatch.setenv("COLUMNS", "400")
    assert main(["linear", "softmax"]) == 1
    output = capsys.readouterr().out
    assert re.search(row, " ".join(output.split())), output
    assert "softmax layers/softmax.py" in " ".join(output.split())
    assert "First wrong: linear" in output
    assert "reproduce with: python -m numpy_transformer.gradcheck 'linear(seed=0)'" in output


def test_a_forward_that_raises_is_a_row(capsys, monkeypatch):
    monkeypatch.setattr(layer_cases, "softmax_forward", raises)
    assert main(["softmax", "relu"]) == 1
    output = capsys.readouterr().out
    assert "raised NotImplementedError" in output
    assert "1 of 2 cases could not be checked" in output


def test_show_of_a_right_layer_prints_both_arrays(capsys):
    assert main(["linear", "--show"]) == 0
    output = capsys.readouterr().out
    assert output.count("by the backward") == output.count("by the oracle") == 3


def test_a_forward_that_is_not_analytic_is_said(capsys, monkeypatch):
    """The complex step needs it; central differences do not notice."""
    monkeypatch.setattr(layer_cases, "dropout_forward", lambda x, masks: (np.abs(x), x))
    monkeypatch.setattr(layer_cases, "dropout_backward", lambda dy, x: dy * np.sign(x))
    assert main(["dropout"]) == 1
    assert "the forward is not analytic" in capsys.readouterr().out


def test_the_picture_is_a_picture(tmp_path):
    path = tmp_path / "new" / "steps.png"
    assert main(["softmax", "--plot", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sofmax"], "unknown layer 'sofmax'"),
        (["sofmax(seed=1)"], "unknown case 'sofmax'; choose from"),
        (["softmax(seed=1, witdh=3)"], "unexpected keyword argument 'witdh'.*write a call such as"),
        (["softmax(width=3)"], "missing a required argument: 'seed'"),
        (["softmax(3)"], "not a case with arguments by name"),
        (["softmax(seed=x)"], "no number, text or tuple"),
        (["softmax(seed="], "cannot be read"),
        (["--seed", "-1"], "it must be 0 or more"),
        (["--plot", "steps.txt"], "ends with one of .png"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        main(arguments)


def test_run_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "numpy_transformer.gradcheck", "nonsense"],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "choose from linear, embedding" in done.stderr
    assert len(done.stderr.strip().split("\n")) == 1


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
def test_gpu_without_cupy_says_what_to_install():
    with pytest.raises(InputError, match=r"needs CuPy.*pip install"):
        main(["--device", "gpu"])


@pytest.mark.gpu
def test_every_gradient_on_the_gpu(capsys):
    try:
        device_module("gpu")
    except InputError as error:
        pytest.skip(str(error))
    assert main(["--device", "gpu"]) == 0
    assert "0 disagreements" in capsys.readouterr().out
