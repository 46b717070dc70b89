"""The book: what every chapter has, and the tools that build it."""

import re
from pathlib import Path

import numpy as np
import pytest

from docs.bookshelf.checking import ProseError, claim, number
from docs.bookshelf.reference import UndocumentedError, file_page, prose, reference_pages
from docs.bookshelf.site import Site, SiteError, glossary_terms, with_other_pages

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "docs" / "book").glob("*.md"))
LEAST_CHAPTERS, LEAST_TERMS = 16, 60


def test_there_are_enough_chapters_and_they_are_numbered():
    assert len(CHAPTERS) >= LEAST_CHAPTERS
    assert [int(path.name[:2]) for path in CHAPTERS] == list(range(1, len(CHAPTERS) + 1))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_has_its_parts(path):
    text = path.read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)", text, re.MULTILINE)
    assert headings[0] == "Why"
    assert headings[-2:] == ["Questions", "Where to find it"]
    answers = re.findall(r"^<details><summary>[^\n]+</summary>\n\n.+?\n</details>", text, re.MULTILINE | re.DOTALL)
    assert len(answers) == 3
    assert "```{code-cell}" in text
    assert "show(drawing" in text or "boxes(" in text or "draw(" in text, "no picture"
    assert re.search(r"\{(num|claim)\}`[^`|]+\|[^`]+`", text), "the prose names no number that is compared"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_promise_of_the_prose_is_overlooked(path):
    """Each {num} and {claim} has the form that becomes a check."""
    text = path.read_text(encoding="utf-8")
    assert len(re.findall(r"\{(?:num|claim)\}", text)) == len(re.findall(r"\{(?:num|claim)\}`[^`|]+\|[^`]+`", text))


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.88", 0.8849), ("1,000", 1000), ("−1.5", -1.54), ("97%", 0.9651), ("3e-4", 2.6e-4), ("6", 6)],
)
def test_a_right_number_passes(text, value):
    number(text, value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.88", 0.8851), ("1,000", 1001), ("1.5", -1.5), ("97%", 0.9649), ("3e-4", 2.4e-4), ("many", 5), ("1", np.nan)],
)
def test_a_wrong_number_is_noticed(text, value):
    with pytest.raises(ProseError):
        number(text, value)


def test_a_wrong_claim_is_noticed():
    claim("true", np.array([True, True]))
    with pytest.raises(ProseError, match="all positive"):
        claim("all positive", np.array([True, False]))


def test_a_chapter_becomes_a_notebook():
    pytest.importorskip("nbformat")
    from docs.bookshelf.chapters import notebook

    cell = "```{code-cell}\n:tags: [hide-input]\nx = 1\n```"
    text = f"# A\n\nIt is {{num}}`2|x + 1`.\n\n{cell}\n\nIt is {{claim}}`one|x == 1`.\n"
    cells = notebook(text).cells[1:]
    assert [cell.cell_type for cell in cells] == ["markdown", "code", "code", "markdown", "code"]
    assert cells[0].source == "# A\n\nIt is 2."
    assert cells[1].source == "number('2', x + 1)"
    assert cells[2].source == "x = 1"
    assert cells[2].metadata["tags"] == ["hide-input"]
    assert cells[4].source == "claim('one', x == 1)"


def test_links_of_a_notebook_lead_from_its_folder():
    pytest.importorskip("nbformat")
    from docs.bookshelf.chapters import notebook

    text = "[a](05_masking_as_attention.md) [b](../gradients.md#softmax) [c](../../numpy_transformer/layers/linear.py)"
    assert notebook(text).cells[1].source == (
        "[a](05_masking_as_attention.ipynb) [b](../../gradients.md#softmax) "
        "[c](../../../numpy_transformer/layers/linear.py)"
    )


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_links_of_a_chapter_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


# --- The site ---


def site(tmp_path):
    return Site(tmp_path / "source")


def test_the_glossary_is_large_enough_and_in_order():
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = [term for _, term in glossary_terms(text)]
    assert len(terms) == len(set(terms)) >= LEAST_TERMS


def test_the_first_use_of_a_term_is_linked(tmp_path):
    linked = site(tmp_path).with_terms("# Softmax\n\nA softmax and a softmax of `softmax`, $softmax$. Embeddings too.")
    assert linked == (
        "# Softmax\n\nA {term}`softmax <softmax>` and a softmax of `softmax`, $softmax$. "
        "{term}`Embeddings <embedding>` too."
    )


def test_no_link_gets_into_a_formula(tmp_path):
    site = Site(tmp_path)
    display = "$$\n\\operatorname{softmax}(x)\n$$"
    assert site.with_terms(display) == display
    assert site.with_terms("$$ \\text{softmax} $$") == "$$ \\text{softmax} $$"
    assert "{term}`softmax <softmax>`" in site.with_terms(f"{display}\nsoftmax")


def test_a_longer_term_wins(tmp_path):
    assert site(tmp_path).with_terms("The causal mask.") == "The {term}`causal mask <causal mask>`."


def test_links_lead_to_pages_of_code(tmp_path):
    one, page = site(tmp_path), ROOT / "docs" / "gradients.md"
    text = one.links(
        "[a](../numpy_transformer/layers/linear.py) [b](seeing.md#attention) [c](#here) [d](https://x.y)", page
    )
    assert (
        text == "[a](files/numpy_transformer/layers/linear.py.md) [b](seeing.md#attention) [c](#here) [d](https://x.y)"
    )


def test_a_dead_link_is_noticed(tmp_path):
    with pytest.raises(SiteError, match="no_such"):
        site(tmp_path).links("[a](no_such_page.md)", ROOT / "docs" / "gradients.md")


def test_a_new_page_gets_into_the_index():
    index = "```{toctree}\n\ntraining\nseeing\n```\n"
    assert with_other_pages(index, ["seeing", "training", "zebra"]).split("\n")[2:5] == ["training", "zebra", "seeing"]


# --- The reference ---


def test_the_reference_holds_every_public_function():
    pages = reference_pages()
    assert "### linear_backward" in pages["api/layers"]
    assert "[source](#source-def-numpy_transformer.layers.linear.linear_backward)" in pages["api/layers"]
    assert "#### Transformer.loss_and_gradients" in pages["api/models"]
    assert "### train" in pages["api/bpe"]
    assert "(source-def-numpy_transformer.layers.linear.linear_backward)=" in file_page(
        ROOT / "numpy_transformer" / "layers" / "linear.py"
    )


def test_a_function_without_docstring_is_noticed(tmp_path, monkeypatch):
    from docs.bookshelf import reference

    (tmp_path / "numpy_transformer").mkdir()
    file = tmp_path / "numpy_transformer" / "bare.py"
    file.write_text("def bare():\n    pass\n")
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    with pytest.raises(UndocumentedError, match=r"numpy_transformer\.bare\.bare"):
        reference.reference_pages()


def test_docstrings_keep_their_formulas():
    text = prose("Softmax of *x*.\n\n    y = x_1\n      + x_2\n\nMore `x_1`.")
    assert text == "Softmax of \\*x\\*.\n\n```text\ny = x_1\n  + x_2\n```\n\nMore `x_1`."
