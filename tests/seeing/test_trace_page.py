"""The trace page in a real browser: boxes, lines, arrays, keys, narrow and dark screens."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, needs_browser, open_browser
from seeing_example import random_translator

from numpy_transformer.translation.trace_file import save_trace

pytestmark = needs_browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "trace.html"
    save_trace(path, random_translator(1), "the dog sees <b>", "a cat runs")
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser, page: Path) -> Browser:
    chromium.requests.clear()
    chromium.complaints.clear()
    chromium.resize(1280, 900)
    chromium.prefer_dark(False)
    chromium.open(page.as_uri())
    yield chromium
    assert chromium.complaints == []
    assert chromium.requests == [page.as_uri()]


@pytest.fixture(scope="module")
def view(page: Path) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)[1])


def current(browser: Browser) -> int:
    return int(re.search(r"array (\d+) of", browser.texts(".walk output")[0])[1]) - 1


def test_a_box_leads_to_its_first_array(browser, view):
    titles = browser.texts(".boxes button")
    number = titles.index("Decoder 2: cross-attention")
    browser.click(".boxes button", number)
    [box] = [box for box in view["boxes"] if box["title"] == "Decoder 2: cross-attention"]
    assert current(browser) == box["forward"][0]
    assert len(browser.texts(".lines button")) == len(box["forward"])
    last = len(box["forward"]) - 1
    browser.click(".lines button", last)
    step = view["steps"][box["forward"][last]]
    assert browser.texts("section h2 code") == [step["name"]]
    facts = browser.texts(".facts dd")
    assert facts[0].startswith(f"({', '.join(map(str, step['shape']))})")
    assert facts[2] == step["code"]
    assert step["file"] in facts[3]


def test_the_way_back_shows_the_oracle(browser, view):
    titles = browser.texts(".boxes button")
    backward = len(titles) - 1 - titles[::-1].index("Encoder 1: self-attention")
    browser.click(".boxes button", backward)
    [box] = [box for box in view["boxes"] if box["title"] == "Encoder 1: self-attention"]
    place = next(i for i, number in enumerate(box["backward"]) if view["steps"][number]["name"] == "dscores")
    browser.click(".lines button", place)
    assert "they agree" in browser.texts(".facts dd")[-1]
    assert "dx_k = " in browser.texts(".formula")[0] or "dscores" in browser.texts(".formula")[0]


def test_the_keyboard_goes_everywhere(browser, view):
    browser.run("document.activeElement.blur()")
    assert current(browser) == 0
    for _ in range(4):
        browser.press("Tab")  # previous, next, slider, boxes
    browser.press("ArrowDown")
    browser.press("Enter")
    assert current(browser) == view["boxes"][1]["forward"][0]
    browser.press("Tab")  # the lines
    browser.press("ArrowDown")
    browser.press("Enter")
    assert current(browser) == view["boxes"][1]["forward"][1]
    browser.press("Tab")  # the array
    browser.press("ArrowRight")
    browser.press("ArrowDown")
    assert browser.run("document.querySelector('.window td.here') !== null")
    assert "column 2" in browser.texts(".readout")[0]


def test_the_numbers_under_the_pointer_are_the_arrays(browser, view):
    step = next(i for i, step in enumerate(view["steps"]) if step["name"] == "scores")
    browser.run(
        f"(() => {{ const s = document.querySelector('.walk input'); s.value = {step};"
        "s.dispatchEvent(new Event('input')); })()"
    )
    browser.hover(".slice canvas", 1)
    assert browser.texts(".readout")[0].startswith("head 2, row ")
    shown = float(browser.texts(".readout")[0].rsplit(" ", 1)[1].replace("−", "-"))
    assert view["steps"][step]["least"] - 1e-2 <= shown <= view["steps"][step]["largest"] + 1e-2
    assert browser.run("document.querySelectorAll('.slice canvas').length") == 2


@pytest.mark.parametrize("width", [320, 375, 800])
def test_a_narrow_screen_needs_no_sideways_scrolling(browser, width):
    browser.resize(width, 700)
    for _ in range(3):
        assert browser.run("document.documentElement.scrollWidth") <= width
        browser.click("button[aria-label='Next array']")


def test_dark_screens_are_dark(browser):
    browser.prefer_dark()
    colour = browser.run("getComputedStyle(document.body).backgroundColor")
    assert sum(map(float, re.findall(r"[\d.]+", colour)[:3])) < 150


def test_everything_to_act_on_has_a_name(browser):
    nameless = browser.run(
        "[...document.querySelectorAll('button, input, [tabindex=\"0\"]')]"
        ".filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim())).length"
    )
    assert nameless == 0
