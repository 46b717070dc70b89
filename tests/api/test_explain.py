"""translator.explain: what translate.py --explain and --attention show, from Python."""

import io

import numpy as np
import pytest
from seeing_example import random_translator, seen

import numpy_transformer as nt
from numpy_transformer.seeing.explain import explain

TEXT = "the dog runs home"


@pytest.fixture(scope="module")
def translator():
    return random_translator()


def test_it_tells_what_the_command_tells(translator):
    explanation, inside = translator.explain(f" {TEXT}\n"), seen(translator, TEXT)
    output = io.StringIO()
    explain(inside.story, output)
    assert f"{explanation}\n" == output.getvalue()
    assert explanation.text == TEXT
    assert explanation.translation == inside.found[0].text == explanation.story.finished[0].text
    assert np.array_equal(explanation.attention.weights.cross, inside.maps.weights.cross)


def test_options_of_the_search(translator):
    explanation = translator.explain(TEXT, nt.SearchOptions(beam=2, alpha=0.0, n_best=2))
    assert explanation.story == seen(translator, TEXT, beam=2, alpha=0.0, n_best=2).story
    greedy = translator.explain(TEXT, nt.SearchOptions(beam=1))
    assert greedy.story.beam == 1


def test_it_is_saved_as_a_page(translator, tmp_path):
    """A picture is drawn by the same function: tests/seeing."""
    translator.explain(TEXT).save(tmp_path / "page.html")
    assert (tmp_path / "page.html").read_bytes().lower().startswith(b"<!doctype html>")


def test_mistakes(translator, tmp_path):
    with pytest.raises(nt.InputError, match="a blank text has no search"):
        translator.explain(" \n")
    with pytest.raises(nt.InputError, match="sampling does not search"):
        translator.explain(TEXT, nt.SearchOptions(sampling=nt.Sampling()))
    with pytest.raises(nt.InputError, match="is a int, not a str"):
        translator.explain(7)
    with pytest.raises(nt.InputError, match=r"drawn as \.png or \.html"):
        translator.explain(TEXT).save(tmp_path / "page.txt")
