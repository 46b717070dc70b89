"""docs/python.md and examples/: what they show is what happens."""

import doctest
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "python.md"


def test_the_examples_of_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # it trains, and saves a page
    failed, attempted = doctest.testfile(str(PAGE), module_relative=False)
    assert failed == 0
    assert attempted > 25
    assert "<html" in (tmp_path / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGE.read_text(encoding="utf-8")))
def test_its_links_lead_somewhere(target):
    assert (PAGE.parent / target).exists()


def test_a_small_transformer_learns_to_reverse(capsys):
    """The example as it stands: what the page shows, but for the last digits of the losses."""
    runpy.run_module("examples.reverse", run_name="__main__")
    printed = capsys.readouterr().out.rstrip().split("\n")
    shown = (
        PAGE.read_text(encoding="utf-8")
        .partition("$ python -m examples.reverse\n")[2]
        .partition("\n```")[0]
        .split("\n")
    )
    assert len(printed) == len(shown)
    for line, other in zip(printed, shown, strict=True):
        if not line.startswith("step"):
            assert line == other
    right = int(re.search(r"(\d+)% of 200 new sequences are right", printed[-1])[1])
    assert right >= 95


def test_the_loop_on_the_page_is_that_of_the_example():
    loop = re.search(r"## A training loop.*?```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]
    source = (ROOT / "examples" / "reverse.py").read_text(encoding="utf-8")
    for line in filter(None, map(str.strip, loop.split("\n"))):
        assert line in source


def test_the_example_reverses():
    example = runpy.run_path(str(ROOT / "examples" / "reverse.py"), run_name="example")
    source, target = example["draw_batch"](np.random.default_rng(0), 5)
    assert np.array_equal(source[:, :-1], target[:, 1:-1][:, ::-1])
    assert (target[:, 0] == example["BOS"]).all()
    assert (source[:, -1] == example["EOS"]).all()
