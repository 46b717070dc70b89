"""The predicted figures: what is counted without computing is what the stand-in counts when it computes."""

import json
import re
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import strict_gpu

from numpy_transformer.backend.kernels.bias import add_bias, column_sums
from numpy_transformer.data.batching import Batch
from numpy_transformer.decoding.incremental import IncrementalDecoder
from numpy_transformer.decoding.next_tokens import Barred, best_tokens
from numpy_transformer.layers.arithmetic import matmul
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.costs import StepSize, step_flops
from numpy_transformer.training.gpu_step import GpuStep
from numpy_transformer.training.optimizer import Adam

ROOT = Path(__file__).resolve().parents[2]
CONFIG = TransformerConfig(vocabulary_size=90, encoder_layers=2, decoder_layers=1, d_model=16, d_ff=24, heads=2)


@pytest.fixture
def script_named(monkeypatch):
    """Imports a script of benchmarks/."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks" / "lease"))
    monkeypatch.setitem(sys.modules, "cupy", strict_gpu)
    before = set(sys.modules)
    yield import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(ROOT / "benchmarks"):
            del sys.modules[name]  # tests are not to find them later


def work(kind):
    """What is counted: a second training step, or a second step of a search."""
    source = np.array([[5, 6, 7, 2], [8, 2, 0, 0], [9, 10, 2, 0]])
    model = Transformer(CONFIG, device="gpu")
    if kind == "training":
        adam, runner = Adam.for_parameters(model.parameters.flat), GpuStep(model)
        target = np.array([[1, 5, 6, 2], [1, 7, 2, 0], [1, 8, 9, 2]])

        def step():
            runner.step(adam, [Batch(source, target, 8)], rate=1e-3, seed=(0, 1), label_smoothing=0.1)

    else:
        decoder, barred = IncrementalDecoder(model, source), Barred(0, 1, 2)

        def step():
            best_tokens(decoder.step(np.full((3, 2), 5)), 2, barred)

    step()
    return step


@pytest.mark.parametrize("kind", ["training", "search"])
def test_the_plan_has_the_launches_of_the_real_step(script_named, kind):
    step = work(kind)
    with strict_gpu.counted() as counts:
        step()
    with script_named("planned_card").planned() as plan:
        step = work(kind)
        before = len(plan.launches)
        step()
    assert len(plan.launches) - before == counts.launches > 10


def test_operations_are_those_of_the_formula(script_named):
    """training/costs.py counts the products of a step from its sizes."""
    (B, S, T), D, V = (3, 4, 3), CONFIG.d_model, CONFIG.vocabulary_size
    expected = step_flops(CONFIG, StepSize(B, S, T)) - 6 * D * V  # one padded position has no logits
    attention = 12 * B * D * (2 * S * S + T * T + S * T)  # two encoder layers and one decoder layer
    assert 0 < attention < expected / 4
    with script_named("planned_card").planned() as plan:
        step = work("training")
        before = len(plan.launches)
        step()
    found = sum(launch.operations for launch in plan.launches[before:])
    assert found in (expected, expected - attention)  # those of attention may be in a kernel


def test_bytes_are_counted_once_for_each_way(script_named):
    with script_named("planned_card").planned() as plan:
        x, bias = (strict_gpu.zeros(shape, dtype="float32") for shape in ((100, 8), (8,)))
        plan.launches.clear()
        y = matmul(x, strict_gpu.zeros((8, 8), dtype="float32"))
        add_bias(y, bias)
        column_sums(x, out=bias)
        x += y
    product, biased, *sums, added = [launch for launch in plan.launches if launch.name != "zeros"]
    assert product.bytes == 4 * (800 + 64 + 800)
    assert product.operations == 2 * 100 * 8 * 8
    assert biased.bytes == 4 * (2 * 800 + 8)
    assert sums[0].bytes > 4 * 800
    assert added.bytes == 4 * 3 * 800
    assert plan.peak >= 4 * (2 * 800 + 64 + 8)


def test_memory_is_that_of_arrays_alive_at_once(script_named):
    with script_named("planned_card").planned() as plan:
        for _ in range(5):
            strict_gpu.empty((1 << 33,), dtype="uint8")  # 8 GB that nobody touches
        kept = [strict_gpu.empty((1 << 20,), dtype="float32") for _ in range(3)]
    assert plan.peak == 1 << 33
    assert len(kept) == 3


def test_more_launches_take_longer(script_named):
    model, planned = script_named("gpu_model"), script_named("planned_card")
    one = planned.Launch("kernel", "k", 1000)
    large = planned.Launch("product", "p", 10**6, 10**12, (1000, 1000, 500_000))
    few, many = (model.time_of([one] * count, precision="bfloat16") for count in (10, 1000))
    assert many.card == pytest.approx(100 * few.card)
    assert few.limit == "host"
    assert model.time_of([large], precision="float32").card > 3 * model.time_of([large], precision="tf32").card
    assert model.time_of([large], precision="bfloat16") == model.time_of([large], precision="tf32")
    assert model.time_of([large._replace(itemsize=2)], precision="bfloat16").limit == "card"


def test_the_table_and_what_stands_beside_it(script_named, tmp_path, capsys):
    model, table = script_named("gpu_model"), script_named("table")
    (tmp_path / "training-ours.json").write_text(
        json.dumps({"results": {"ours bfloat16": {"tokens_per_second": 1000.0, "memory": 2e9}}})
    )
    (tmp_path / "decoding.json").write_text(
        json.dumps({"results": [{"side": "ours bfloat16", "batch": 1, "seconds": 0.5, "tokens_per_second": 36}]})
    )
    rows = model.predictions()
    text = model.report(rows)
    assert text.startswith("PREDICTED")
    assert "NOT MEASURED" in text.partition("\n")[0]
    assert len(re.findall(r"\| (yes|no) \|", text)) == len(rows) == 8
    table.gpu_model.predictions = lambda: rows
    lines = table.beside_predictions(table.measured(tmp_path))
    beside = {line[:60].strip(): line[60:].split() for line in lines[2:]}
    assert beside["base tokens/s"][1] == "1,000.00"
    assert beside["base memory GB"][1] == "2.00"
    assert beside["decoding 1 ms"][1] == "500.00"
    assert beside["base over torch.compile"][1:] == ["not"]
    assert all(float(figures[0].replace(",", "")) > 0 for figures in beside.values())


def test_a_new_table_takes_the_place_of_the_old_one(script_named):
    model = script_named("gpu_model")
    rows = [model.Row(f"target {n}", "at least 1", str(n), n > 1, "", {}) for n in range(3)]
    page = "before\n\n| | target | predicted | reached |\n|---|---|---|---|\n| old |\n| older |\n\nbehind\n\nmore\n"
    changed = model.with_table(page, rows)
    assert changed == page.replace("| old |\n| older |\n", "".join(model.line(row) + "\n" for row in rows))
    assert model.with_table(changed, rows) == changed
    assert "| target 2 | at least 1 | 2 | yes |\n\nbehind" in changed


def test_docs_have_the_table_of_the_results():
    results = (ROOT / "benchmarks" / "results" / "gpu_model.txt").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
    for line in results.split("\n"):
        if line.startswith("| ") and "| target |" not in line:
            target, wanted, predicted, reached, _ = [cell.strip() for cell in line.strip("| ").split(" | ")]
            assert f"| {target} | {wanted} | {predicted} | {reached} |" in page
