"""The curves of a run, drawn from whatever stands in its log."""

import json
from pathlib import Path

import pytest

from numpy_transformer.training.curves import draw_curves
from numpy_transformer.training.run_folder import RunFolder

GAPS = [None, float("nan"), float("inf"), -float("inf"), 10**400, 1.7e308, -1.7e308, "high", [1], True]
STEP = {"kind": "step", "step": 1, "loss": 5.0, "rate": 0.001}
EVALUATION = {"kind": "evaluation", "step": 2, "loss": 4.0, "perplexity": 54.6, "bleu": 1.5}
TEST = {"kind": "test", "step": 2, "bleu": 2.5}


def drawn(records: list[dict], path: Path) -> bytes:
    draw_curves(records, path)
    picture = path.read_bytes()
    assert picture.startswith(b"\x89PNG")
    return picture


@pytest.mark.parametrize("value", GAPS, ids=repr)
@pytest.mark.filterwarnings("error")
def test_what_cannot_be_drawn_is_a_gap(value: object, tmp_path: Path):
    """The picture is the one of a log without these figures, whichever they are."""
    figures = ("loss", "perplexity", "bleu", "rate")
    spoilt = [record | {name: value for name in figures if name in record} for record in (STEP, EVALUATION, TEST)]
    without = [{name: record[name] for name in ("kind", "step")} for record in (STEP, EVALUATION, TEST)]
    if value is not True:  # 1, to Python
        assert drawn(spoilt, tmp_path / "a.png") == drawn(without, tmp_path / "b.png")
    drawn([record | {"step": value} for record in (STEP, EVALUATION, TEST)], tmp_path / "c.png")


@pytest.mark.filterwarnings("error")
def test_a_log_of_nothing_or_of_strangers_is_drawn_empty(tmp_path: Path):
    empty = drawn([], tmp_path / "a.png")
    assert drawn([{}, {"kind": None}, {"kind": "note", "step": 3}], tmp_path / "b.png") == empty
    assert drawn([STEP, EVALUATION, TEST], tmp_path / "c.png") != empty


def test_figures_beside_a_gap_are_drawn(tmp_path: Path):
    more = [EVALUATION | {"step": step} for step in (3, 4)]
    whole = drawn([EVALUATION, *more], tmp_path / "a.png")
    gap = drawn([EVALUATION | {"loss": 800.0, "perplexity": None}, *more], tmp_path / "b.png")
    assert gap not in (whole, drawn(more, tmp_path / "c.png"))


@pytest.mark.parametrize("value", GAPS, ids=repr)
def test_a_log_with_gaps_is_rewound(value: object, tmp_path: Path):
    """Records whose step cannot be told stay; those of after the state go; no line is written that is not JSON."""
    folder = RunFolder(tmp_path)
    records = [STEP, STEP | {"step": value}, {"kind": "note"}, STEP | {"step": 7}, EVALUATION | {"loss": value}]
    folder.log_file.write_text("".join(json.dumps(record) + "\n" for record in records) + '{"kind": "st')
    folder.rewind(2)

    def not_json(constant: str) -> None:
        raise AssertionError(constant)

    lines = folder.log_file.read_text().splitlines()
    kept = [json.loads(line, parse_constant=not_json) for line in lines]
    assert STEP in kept
    assert {"kind": "note"} in kept
    assert all(record.get("step") != 7 for record in kept)
    assert [record["kind"] for record in kept][-1] == "evaluation"
    drawn(kept, tmp_path / "curves.png")
