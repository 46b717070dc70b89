"""The measurements of few bits run, and count what is there."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from small_run import OPTIONS, write_corpus

import numpy_transformer as nt
from numpy_transformer.training import reporting

ROOT = Path(__file__).resolve().parents[2]


def script(name, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("weights", ["float", "ternary"])
def test_each_layer_is_measured(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(reporting, "draw_curves", lambda *arguments: None)
    sizes = {"layers": 1, "d_model": 16, "d_ff": 64, "heads": 2, "steps": 2}
    corpus, run = write_corpus(tmp_path / "corpus"), tmp_path / "run"
    nt.train(run=run, data=corpus, weights=weights, quiet=True, **{**OPTIONS, **sizes})
    monkeypatch.setattr(sys, "argv", ["few_bits.py", str(run), "--test"])
    script("few_bits", monkeypatch).main()
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split() for line in lines[1:5]}
    assert list(rows) == ["embedding", "encoder.0", "decoder.0", "all"]
    count = nt.Translator.load(run).model.parameters.flat.size
    assert rows["all"][1] == f"{count:,}"
    moved = {name: float(row[-1].rstrip("%")) for name, row in rows.items()}
    assert 0.1 < moved["embedding"] < 1
    assert (moved["encoder.0"] == 0) == (weights == "ternary")
    assert float(rows["encoder.0"][-2]) < (6 if weights == "ternary" else 12)  # float32 biases weigh much here
    assert sum("10 sentences, before: BLEU" in line for line in lines) == 2
    assert sum(line.startswith(("validation: ", "test: ")) for line in lines) == 2


def test_the_variants_change_what_they_say(monkeypatch):
    variants = script("ternary_variants", monkeypatch)
    weight = np.array([[4.0, 0.1, -1.0], [-4.0, 0.3, 0.2]])
    trits, scale = variants.scale_per_column(weight)
    assert scale.tolist() == [[4.0, 0.2, 0.6]]
    assert trits.tolist() == [[1, 0, -1], [-1, 1, 0]]
    assert variants.inner_layer("encoder.1.feed_forward.hidden.weight")
    assert not variants.inner_layer("decoder.3.feed_forward.hidden.weight")
    monkeypatch.setattr(variants.nt, "train", lambda **options: pytest.fail("trained"))
    assert len({variant.name for variant in variants.VARIANTS}) == len(variants.VARIANTS)


def test_a_variant_is_trained_with_its_change(tmp_path, monkeypatch):
    variants = script("ternary_variants", monkeypatch)
    monkeypatch.setattr(reporting, "draw_curves", lambda *arguments: None)
    asked = []
    change = ("ternary", lambda weight: asked.append(weight.shape) or variants.scale_per_column(weight))
    options = {**OPTIONS, "data": str(write_corpus(tmp_path / "corpus")), "layers": 1, "d_model": 8, "heads": 2}
    options = {name: value for name, value in options.items() if name not in ("steps", "workers", "evaluate_every")}
    row = variants.row_of(variants.Variant("mine", options, change), steps=2, workers=1)
    assert row.startswith("mine ")
    assert asked
