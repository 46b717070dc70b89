"""The built site in a real browser: no request to the outside, mathematics drawn, search, narrow and dark screens.

`python docs/build.py` makes the site; without it these tests are skipped. .ci/run builds it first.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, needs_browser, open_browser

SITE = Path(__file__).resolve().parents[2] / "docs" / "_build" / "site"
PAGES = (
    "index",
    "book/05_masking_as_attention",
    "book/12_encoder",
    "book/15_the_way_back",
    "gradients",
    "faq",
    "glossary",
)
INSIDE = ("file:", "data:", "blob:")

pytestmark = [
    needs_browser,
    pytest.mark.skipif(not (SITE / "index.html").exists(), reason="the site was not built: python docs/build.py"),
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    chromium.requests.clear()
    chromium.complaints.clear()
    chromium.resize(1280, 900)
    chromium.prefer_dark(False)
    yield chromium
    assert chromium.complaints == []
    assert [address for address in chromium.requests if not address.startswith(INSIDE)] == []


def drawn(browser: Browser) -> int:
    """The number of formulas, once all are drawn."""
    return browser.run("MathJax.startup.promise.then(() => document.querySelectorAll('mjx-container svg').length)")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_needs_no_network_and_no_sideways_scrolling(browser, page):
    browser.resize(375, 800)
    browser.open((SITE / f"{page}.html").as_uri())
    assert browser.run("document.documentElement.scrollWidth") <= 375


def test_formulas_are_drawn(browser):
    browser.open((SITE / "gradients.html").as_uri())
    assert drawn(browser) > 200
    assert browser.run("document.querySelectorAll('mjx-merror, [data-mjx-error]').length") == 0


def test_the_way_back_shows_its_pictures_and_answers(browser):
    browser.open((SITE / "book/15_the_way_back.html").as_uri())
    assert browser.run("document.querySelectorAll('.figure svg').length") >= 5
    assert browser.run("document.querySelectorAll('details:not(.hide)').length") >= 3


def test_the_search_finds_without_a_network(browser):
    browser.open((SITE / "search.html").as_uri() + "?q=softmax")
    found = browser.run(
        "new Promise((done) => { let tries = 0; const look = () => {"
        "const links = document.querySelectorAll('#search-results a').length;"
        "if (links > 5 || ++tries > 100) done(links); else setTimeout(look, 100); }; look(); })"
    )
    assert found > 5


def test_dark_screens_are_dark(browser):
    browser.prefer_dark()
    browser.open((SITE / "book/15_the_way_back.html").as_uri())
    colour = browser.run("getComputedStyle(document.body).backgroundColor")
    ink = browser.run("getComputedStyle(document.querySelector('.figure svg')).color")
    brightness = [sum(map(float, one[one.index("(") + 1 : -1].split(",")[:3])) for one in (colour, ink)]
    assert brightness[0] < 150 < 500 < brightness[1]
