"""The pages about translating: every option is explained, no command uses another, and their Python runs."""

import re
from pathlib import Path

import pytest
from seeing_example import random_translator

import numpy_transformer as nt
from numpy_transformer.commands import translate

DOCS = Path(__file__).resolve().parents[2] / "docs"
OPTION = r"--[a-z][a-z-]+"
PAGES = [DOCS / name for name in ("translating.md", "seeing.md", "serve.md", "sound.md")]


def test_the_options_are_those_of_the_program(capsys):
    with pytest.raises(SystemExit):
        translate.parse_arguments(["--help"])
    options = set(re.findall(OPTION, capsys.readouterr().out))
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert options - {"--help"} <= set(re.findall(OPTION, text))
    for command in re.findall(r"translate\.py (.*)", text):
        assert set(re.findall(OPTION, command)) <= options


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_links_to_is_there(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def python_of(page):
    return re.search(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)[1]


def test_the_calls_of_translating_run(monkeypatch):
    monkeypatch.setattr(nt.Translator, "load", lambda path: random_translator())
    names = {}
    exec(python_of("translating.md"), names)
    assert len(names["found"]) == 3


def test_the_views_of_seeing_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(nt.Translator, "load", lambda path: random_translator())
    exec(python_of("seeing.md"), {})
    assert "Beam search" in capsys.readouterr().out
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
