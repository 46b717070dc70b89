"""docs/gradients.md quotes code: each quotation must still be in the file that its section names."""

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "gradients.md").read_text(encoding="utf-8")
SECTIONS = [section for section in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:] if "| Code |" in section]


def without_spaces(text):
    return re.sub(r"\s+|(?<=\(),|,(?=\s*\))", "", text)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.partition("\n")[0])
def test_quoted_code_exists(section):
    """Only line breaks may differ."""
    source = without_spaces(
        (ROOT / "docs" / re.search(r"\]\((\.\./numpy_transformer/\S+\.py)\)", section)[1]).read_text()
    )
    rows = [line for line in section.split("\n") if line.startswith("| ") and not line.startswith("| Term")]
    quotations = [code for row in rows for code in re.findall(r"(?<!\$)`([^`$]+)`(?!\$)", row.rpartition(" | ")[2])]
    assert quotations
    for code in quotations:
        assert without_spaces(code) in source, f"{code!r} no longer stands in that file"


def test_the_worked_example_is_right():
    """What the page prints behind >>> is what Python answers."""
    example = PAGE.partition("## A worked example")[2].partition("\n## ")[0]
    session = "".join(re.findall(r"```pycon\n(.*?)```", example, re.DOTALL))
    test = doctest.DocTestParser().get_doctest(session, {}, "the worked example", None, 0)
    assert len(test.examples) > 15
    assert doctest.DocTestRunner().run(test).failed == 0


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE):
        assert (ROOT / "docs" / target).exists(), target
    headings = {
        re.sub(r"[^\w -]", "", line[3:].lower()).replace(" ", "-") for line in PAGE.split("\n") if line[:3] == "## "
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= headings


# Each layer derives what its own products and sums need; parameters are not computed.
WITHOUT_GRADIENT = {"__init__.py", "arithmetic.py", "parameters.py", "position_table.py"}


def test_every_layer_has_its_section():
    for path in (ROOT / "numpy_transformer" / "layers").glob("*.py"):
        assert path.name in WITHOUT_GRADIENT or f"numpy_transformer/layers/{path.name})" in PAGE
