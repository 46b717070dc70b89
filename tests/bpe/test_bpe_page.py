"""The page of `python -m bpe show --html` in a real browser: readable tokens, narrow and dark screens."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, needs_browser, open_browser

import bpe
from bpe import show

TEXT = "Über 日本:\n\tnaïve dogs"

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


def open_page(browser: Browser, path: Path, tokenizer: bpe.Tokenizer, text: str) -> None:
    path.write_text(show.page(tokenizer, text, source="a test"), encoding="utf-8")
    browser.complaints.clear()
    browser.resize(1280, 900)
    browser.prefer_dark(False)
    browser.open(path.as_uri())


def test_tokens_are_shown_as_everywhere(browser, tmp_path):
    """Whole characters as themselves, parts of one in hexadecimal: what `visible` writes, as the page of attention."""
    tokenizer = bpe.train(["Über naïve dogs, Über naïve cats"] * 3, 278)
    open_page(browser, tmp_path / "page.html", tokenizer, TEXT)
    tokens = [tokenizer.vocabulary[token_id] for token_id in tokenizer.encode(TEXT)]
    assert browser.texts("#text .token") == [show.visible(token) for token in tokens]
    assert {"<e6>", "↵", "⇥"} <= set(browser.texts("#text .token"))
    browser.run("document.querySelector('#step').value = 0")
    browser.run("document.querySelector('#step').dispatchEvent(new Event('input'))")
    assert browser.texts("#text .token") == [show.visible(bytes([byte])) for byte in TEXT.encode()]
    assert browser.complaints == []


@pytest.mark.parametrize("width", [320, 375, 1280])
def test_a_long_word_stays_on_the_screen(browser, tmp_path, width):
    tokenizer = bpe.Tokenizer([], protected_terms=["w" * 120])
    open_page(browser, tmp_path / "page.html", tokenizer, "see " + "w" * 120 + " " + "x" * 120)
    browser.resize(width, 700)
    assert browser.run("document.documentElement.scrollWidth") <= width
