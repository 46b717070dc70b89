"""The trace: every array with its line of code, gradients beside the oracle, and a page that holds them all."""

import base64
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from seeing_example import random_translator
from small_model import small_model

import numpy_transformer as nt
from numpy_transformer.commands import translate
from numpy_transformer.commands.translation_options import parse_arguments
from numpy_transformer.layers import linear
from numpy_transformer.seeing.probing import probe
from numpy_transformer.seeing.trace_view import MOST_NUMBERS, trace_steps, trace_view
from numpy_transformer.seeing.tracing import record
from numpy_transformer.translation.trace_file import save_trace

SOURCE, TARGET = np.array([[3, 5, 4, 2]]), np.array([[1, 6, 3, 2]])


@pytest.fixture(params=["post", "pre"])
def model(request) -> nt.Transformer:
    return small_model(3, norm=request.param)


def test_the_arrays_are_those_that_the_model_computes(model):
    loss, steps = trace_steps(model, SOURCE, TARGET)
    expected, gradients = model.loss_and_gradients(SOURCE, TARGET)
    assert loss == expected
    named = dict(gradients.named())
    last = {
        f"{step.call.path}.{step.name.removeprefix('gradients.')}": step.value
        for step in steps
        if step.name.startswith("gradients.") and step.call.path != "embedding"
    }
    assert set(named) - set(last) == {"embedding.weight"}
    for name, value in last.items():
        np.testing.assert_array_equal(value, named[name], err_msg=name)
    [table] = [step for step in steps if step.name == "table"][-1:]
    np.testing.assert_array_equal(table.value, named["embedding.weight"])


def test_a_step_is_the_array_after_its_line(model):
    parameters = model.parameters.tree.encoder[0].feed_forward.hidden
    x = np.random.default_rng(0).normal(size=(1, 3, 8))
    steps = record(lambda: linear.linear_forward(x, parameters), dict(model.parameters.named()))
    product, shifted = [step.value for step in steps if step.name == "y"][:2]
    np.testing.assert_array_equal(product, x[0] @ parameters.weight)  # before the bias is added to it in place
    np.testing.assert_array_equal(shifted, x[0] @ parameters.weight + parameters.bias)
    assert {step.call.path for step in steps} == {"encoder.0.feed_forward.hidden"}
    lines = Path(linear.__file__).read_text(encoding="utf-8").split("\n")
    assert all(step.statement.code.split("(")[0] in lines[step.statement.line - 1] for step in steps)


def test_the_tracer_is_gone_afterwards_even_after_an_error(model):
    before = sys.gettrace()

    def fail():
        raise RuntimeError

    with pytest.raises(RuntimeError):
        record(fail, {})
    assert sys.gettrace() is before


def test_every_gradient_agrees_with_the_oracle(model):
    _, steps = trace_steps(model, SOURCE, TARGET)
    probed = dict(probe(model, SOURCE, TARGET, steps))
    for number, one in probed.items():
        step = steps[number]
        scale = abs(step.value).max()
        assert abs(one.ours - one.oracle) <= 1e-12 * scale + 1e-18, (step.call.path, step.call.function, step.name)
    names = {steps[number].name for number in probed}
    assert {"dscores", "dweights", "dquery", "dkey", "dvalue", "dhidden", "dnormalized", "dx", "dlogits"} <= names
    assert {"gradients.weight", "gradients.bias", "gradients.gain"} <= names
    assert len(probed) > 100


def test_the_oracle_notices_a_wrong_backward(monkeypatch):
    from numpy_transformer.layers import attention

    right = attention.softmax_backward
    monkeypatch.setattr(attention, "softmax_backward", lambda dy, cache: -right(dy, cache))
    model = small_model(3)
    _, steps = trace_steps(model, SOURCE, TARGET)
    wrong = {
        steps[number].name
        for number, one in probe(model, SOURCE, TARGET, steps)
        if abs(one.ours - one.oracle) > 1e-9 * abs(one.ours)
    }
    assert {"dscores", "dquery", "dkey"} <= wrong


def view_of(model, steps, loss=1.0):
    tokens = [b"a"] * SOURCE.shape[1]
    return trace_view(text="a", translation="b", source=tokens, target=tokens[:-1], loss=loss, steps=steps, probed={})


def test_the_page_holds_the_numbers(model):
    loss, steps = trace_steps(model, SOURCE, TARGET)
    view = view_of(model, steps, loss)
    by_place = {}
    for step in steps:
        by_place.setdefault((step.call.path, step.call.function, step.name, step.statement.line), []).append(step.value)
    for step in view["steps"]:
        array = view["arrays"][step["array"]]
        numbers = np.frombuffer(base64.b64decode(array["data"]), "<f2").astype(float) * array["scale"]
        candidates = by_place[step["path"], step["function"], step["name"], step["line"]]
        assert any(
            numbers.size == one.size and np.allclose(numbers, one.ravel(), rtol=1e-3, atol=1e-7 * array["scale"])
            for one in candidates
        )
    titles = [box["title"] for box in view["boxes"]]
    assert titles[:2] == ["Embedding of the source", "Encoder 1: self-attention"]
    assert {"Decoder 2: cross-attention", "Output projection and loss"} <= set(titles)


def test_a_large_model_fits_into_the_page():
    config = nt.TransformerConfig.preset("tiny", vocabulary_size=500)
    model = nt.Transformer(config, dtype="float64")
    source = np.array([[*range(3, 60), 2]])
    target = np.array([[1, *range(3, 60), 2]])
    loss, steps = trace_steps(model, source, target)
    view = trace_view(
        text="", translation="", source=[b"a"] * 58, target=[b"a"] * 58, loss=loss, steps=steps, probed={}
    )
    assert sum(np.prod(array["shape"]) for array in view["arrays"]) <= MOST_NUMBERS
    assert len(json.dumps(view)) < 5_000_000


def test_the_command_writes_the_page(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(translate, "load_translator", lambda options, paths: random_translator(1))
    path = tmp_path / "trace.html"
    translate.translate(
        parse_arguments(["the <b> dog", "--model", "x", "--trace", str(path), "--trace-target", "a cat sees"])
    )
    page = path.read_text(encoding="utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert data["text"] == "the <b> dog"
    assert data["translation"] == "a cat sees"
    assert "the <b> dog" not in page
    assert f"trace: {path}" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", "b", "--trace", "x.html"], "exactly one TEXT"),
        (["a", "--trace", "x.png"], "a name that ends with .html"),
        (["a", "--trace-target", "x"], "only has a meaning with --trace"),
        (["a", "--trace", "x.html", "--output", "x.html"], "name the same file"),
        (["--serve", "--trace", "x.html"], "no meaning with --serve"),
    ],
)
def test_wrong_uses_are_told(arguments, message, monkeypatch):
    monkeypatch.setattr(translate, "load_translator", lambda options, paths: random_translator(1))
    with pytest.raises(nt.InputError, match=message):
        translate.translate(parse_arguments([*arguments, "--model", "x"]))


def test_what_cannot_be_traced_is_told(tmp_path):
    translator = random_translator(1)
    with pytest.raises(nt.InputError, match="up to 64"):
        save_trace(tmp_path / "a.html", translator, "xyz " * 40, "a dog")
    with pytest.raises(nt.InputError, match="blank"):
        save_trace(tmp_path / "a.html", translator, "a dog", " ")
    assert list(tmp_path.iterdir()) == []
