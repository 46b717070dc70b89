"""Ternary weights in all three models: each computes what the float model of the rounded weights computes."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import numpy_transformer as nt
from numpy_transformer.decoding import greedy_search
from numpy_transformer.decoding.alignment import attended
from numpy_transformer.decoding.attention_weights import attention_weights
from numpy_transformer.decoding.continuation import complete
from numpy_transformer.errors import InputError
from numpy_transformer.gradcheck.model_cases import small_config
from numpy_transformer.layers.ternary import is_rounded

CONFIG = small_config(weights="ternary", labels=(), dropout=0.2)
IDS = np.array([[1, 4, 7, 3, 2], [1, 9, 5, 2, 0]])
LIMITS = np.array([9, 9])


def made(kind, **options):
    """A ternary model, and a float model whose weights were rounded by hand."""
    config = CONFIG.replace(labels=("a", "b")) if kind is nt.Encoder else CONFIG
    model = kind(config, seed=2, dtype="float64", **options)
    by_hand = kind(config.replace(weights="float"), seed=2, dtype="float64", **options)
    for name, weight in by_hand.parameters.named():
        if is_rounded(name):
            scale = np.abs(weight).mean()
            weight[...] = scale * np.clip(np.rint(weight / scale), -1, 1)
    return model, by_hand


def learned(model):
    """Loss and gradients, with dropout."""
    match model:
        case nt.Transformer():
            return model.loss_and_gradients(IDS, IDS, seed=3)
        case nt.LanguageModel():
            return model.loss_and_gradients(IDS, seed=3)
        case _:
            return model.loss_and_gradients(IDS, np.array([0, 1]), seed=3)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("kind", [nt.Transformer, nt.LanguageModel, nt.Encoder])
def test_it_learns_as_the_float_model_of_the_rounded_weights(kind, recompute):
    model, by_hand = made(kind, recompute=recompute)
    masters = model.parameters.flat.copy()
    (loss, gradients), (expected, by_float) = learned(model), learned(by_hand)
    assert loss == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradients.flat, by_float.flat, atol=1e-12)
    np.testing.assert_array_equal(model.parameters.flat, masters)


def test_what_a_translator_computes():
    model, by_hand = made(nt.Transformer)
    np.testing.assert_allclose(model.logits(IDS, IDS), by_hand.logits(IDS, IDS), atol=1e-12)
    assert model.loss(IDS, IDS) == pytest.approx(by_hand.loss(IDS, IDS), rel=1e-12)
    assert greedy_search([model], IDS, limits=LIMITS) == greedy_search([by_hand], IDS, limits=LIMITS)
    np.testing.assert_allclose(attended([model], IDS, IDS), attended([by_hand], IDS, IDS), atol=1e-12)
    ours, theirs = (attention_weights(one, [4, 7, 2], [5, 3, 2]) for one in (model, by_hand))
    np.testing.assert_allclose(ours.cross, theirs.cross, atol=1e-12)


def test_what_a_language_model_and_an_encoder_compute():
    model, by_hand = made(nt.LanguageModel)
    np.testing.assert_allclose(model.logits(IDS), by_hand.logits(IDS), atol=1e-12)
    assert [x.tolist() for x in complete(model, [4, 7], 8)] == [x.tolist() for x in complete(by_hand, [4, 7], 8)]
    encoder, by_hand = made(nt.Encoder)
    for name in ("hidden", "word_logits", "class_probabilities"):
        found, expected = (getattr(one, name)(IDS) for one in (encoder, by_hand))
        np.testing.assert_allclose(found, expected, atol=1e-12, err_msg=name)


def test_a_change_of_the_masters_is_seen_at_once():
    """Nothing is kept from the last rounding: whoever writes to the parameters need not tell."""
    model, _ = made(nt.Transformer)
    before = model.loss(IDS, IDS)
    model.parameters.flat[...] *= -1
    assert model.loss(IDS, IDS) != before


def test_a_float_model_computes_with_its_own_parameters():
    model = nt.Transformer(CONFIG.replace(weights="float"))
    assert model.quantised() is model


def test_a_file_keeps_the_masters_and_says_what_they_are(tmp_path):
    model, _ = made(nt.Transformer)
    model.save(tmp_path / "model.safetensors")
    loaded = nt.Transformer.load(tmp_path / "model.safetensors")
    assert loaded.config.weights == "ternary"
    assert "ternary weights" in repr(loaded)
    np.testing.assert_array_equal(loaded.parameters.flat, model.parameters.flat)


@pytest.mark.parametrize("weights", ["binary", None, 2])
def test_other_weights_are_refused(weights):
    with pytest.raises(InputError, match=r'^weights is .*; it must be "float" or "ternary"$'):
        small_config(weights=weights)


# --- Nobody computes with the masters ---

READS = re.compile(r"\.parameters\.(tree|named\(\))|\.host_tensors\(\)")
ROOMS = ("models", "decoding", "formats", "tasks", "translation", "seeing", "serve")
ON_ROUNDED = {"_forward", "_backward", "_output"}  # of a model: called on what `quantised` gave
EXEMPT = {  # other functions that read parameters, and why they may
    "Model.save": "keeps the masters",
    "Model.host_tensors": "keeps the masters",
    "Model.assign": "writes them",
    "encoder_graph": "write_onnx rounds before",
    "decoder_graph": "write_onnx rounds before",
    "state_dict": "write_pytorch rounds before",
    "load_bert": "a model just made",
    "trace_steps": "trace_page rounds before",
    "probe": "trace_page rounds before",
    "_derivative": "trace_page rounds before",
}


def functions_in(tree, prefix=""):
    """(name, node) of the functions of a file, with their classes' names; not those inside functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef):
            yield from functions_in(node, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef):
            yield prefix + node.name, node


def test_whoever_reads_weights_to_compute_with_them_asks_for_the_rounded_ones():
    root = Path(nt.__file__).parent
    careless = []
    for path in (path for room in ROOMS for path in (root / room).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for name, node in functions_in(ast.parse(text)):
            source = ast.get_source_segment(text, node) or ""
            if READS.search(source) and "quantised()" not in source and name.split(".")[-1] not in ON_ROUNDED:
                careless.append(f"{path.relative_to(root.parent)}: {name}")
    names = {line.split(": ")[1] for line in careless}
    assert sorted(names - EXEMPT.keys()) == [], "these should ask for model.quantised()"
    assert not EXEMPT.keys() - names, "no longer there"
