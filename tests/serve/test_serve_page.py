"""The web page in a real browser: typing, keys, drafts, sentences, narrow and dark screens, and what goes wrong."""

import dataclasses
import json
from collections.abc import Iterator

import numpy as np
import page_server
import pytest
from browser import Browser, needs_browser, open_browser
from page_server import ABOUT, SEARCH, Gate, running
from seeing_example import random_translator

from numpy_transformer import serve
from numpy_transformer.data.known_words import KnownWords
from numpy_transformer.decoding.constraints import Constraints
from numpy_transformer.serve.server import PageServer
from numpy_transformer.serve.service import Limits
from numpy_transformer.translation.translator import Translator

TEXT = "the dog sees us"
PATIENT = Limits(request_seconds=900, send_seconds=900, computing_seconds=900)

pytestmark = needs_browser


@pytest.fixture(scope="module")
def translator() -> Translator:
    return random_translator(1)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def server(translator: Translator) -> Iterator[PageServer]:
    with running(translator, PATIENT) as server:
        yield server


@pytest.fixture
def page(chromium: Browser, server: PageServer) -> Iterator[Browser]:
    """The browser with the page open; it sends no requests elsewhere, and has no errors."""
    chromium.requests.clear()
    chromium.complaints.clear()
    chromium.resize(1280, 900)
    chromium.prefer_dark(False)
    chromium.open(server.url)
    chromium.until("document.querySelector('#beam').options.length > 1")
    yield chromium
    assert chromium.complaints == []
    assert all(request.startswith(server.url) for request in chromium.requests)


def enter(page: Browser, text: str) -> None:
    """Replace the text by typing."""
    page.run("document.querySelector('#text').focus(); document.querySelector('#text').select()")
    page.call("Input.insertText", text=text)


def translate(page: Browser, text: str) -> None:
    """Type a text, press Enter, and wait until it is translated and its inside is shown."""
    enter(page, text)
    page.press("Enter")
    page.until("!document.querySelector('#search').hidden && document.querySelectorAll('.queries button').length")


def focused(page: Browser) -> str:
    return page.run("document.activeElement.id || document.activeElement.className || document.activeElement.tagName")


def test_enter_translates(page, translator):
    translate(page, TEXT)
    found = translator.hypotheses([TEXT], beam=3, n_best=3)[0]
    assert page.texts("#target") == [found[0].text]
    assert page.texts(".hypothesis .text") == [one.text for one in found]
    assert page.texts(".hypothesis .number:last-child") == [
        f"score {one.score:.3f}".replace("-", "\u2212") for one in found
    ]
    assert page.texts("#status") == [f"Translation: {found[0].text}"]
    assert page.texts("h1") == ["English to German"]
    assert page.run("[document.querySelector('#text').lang, document.querySelector('#target').lang]") == ["en", "de"]
    assert page.run("document.querySelector('#target').getAttribute('aria-busy')") == "false"


def test_a_pause_translates(page, translator):
    enter(page, "dogs run")
    page.until("document.querySelector('#status').textContent.startsWith('Translation')")
    assert page.texts("#target") == translator.translate(["dogs run"], beam=3)


def test_the_translation_appears_as_it_is_decoded(page, monkeypatch):
    gate = Gate(monkeypatch, after=2)
    enter(page, TEXT)
    page.press("Enter")
    page.until("document.querySelectorAll('.hypothesis.draft').length")
    assert gate.reached.wait()
    assert page.run("document.querySelector('#target').getAttribute('aria-busy')") == "true"
    assert page.texts("#target") == page.texts(".hypothesis:first-child .text")
    assert page.texts("#note") == ["Translating \u2026"]
    gate.opened.set()
    page.until("document.querySelectorAll('input[name=hypothesis]').length")


def test_a_new_text_ends_the_search_for_the_old_one(page, translator, monkeypatch):
    gate = Gate(monkeypatch, after=1)
    enter(page, "the house sees the dog")
    page.press("Enter")
    assert gate.reached.wait()
    enter(page, "dogs run")
    page.press("Enter")
    page.until("document.querySelector('#note').textContent === 'Waiting: 1 before this one'")
    gate.opened.set()
    page.until("document.querySelector('#status').textContent.startsWith('Translation')")
    assert page.texts("#target") == translator.translate(["dogs run"], beam=3)
    assert not page.run("document.querySelector('#status').textContent.includes('house')")


def test_what_was_found_stays_until_something_takes_its_place(page, monkeypatch):
    translate(page, TEXT)
    before = page.texts("#target, .hypothesis .text, .queries .word")
    gate = Gate(monkeypatch)
    enter(page, "dogs run")
    page.press("Enter")
    assert gate.reached.wait()
    assert page.texts("#target, .hypothesis .text, .queries .word") == before
    assert page.run("document.querySelector('#attention').classList.contains('stale')")
    gate.opened.set()
    page.until("document.querySelectorAll('.stale').length === 0")
    assert page.texts("#target, .hypothesis .text, .queries .word") != before


def test_no_text_shows_nothing(page):
    translate(page, TEXT)
    enter(page, " ")
    page.press("Enter")
    assert page.texts("#target, #note") == ["", ""]
    assert page.run("['found', 'attention', 'search', 'copy'].every((id) => document.getElementById(id).hidden)")


def test_sentences_to_try(page, translator):
    assert page.texts("#examples button") == list(ABOUT.examples)
    page.click("#examples button", 1)
    page.until("document.querySelector('#status').textContent.startsWith('Translation')")
    assert page.texts("#target") == translator.translate([ABOUT.examples[1]], beam=3)
    assert page.run("document.querySelector('#examples').hidden")


def test_the_width_of_the_search_is_a_choice(page, translator):
    translate(page, TEXT)
    page.run("document.querySelector('#beam').value = '1'")
    page.run("document.querySelector('#beam').dispatchEvent(new Event('change'))")
    page.until("document.querySelectorAll('.hypothesis input').length === 1")
    assert page.texts("#target") == translator.translate([TEXT], beam=1)


def test_everything_is_in_reach_of_the_keys(page, translator):
    """Tab from one control to the next, arrow keys within a group."""
    translate(page, TEXT)
    order = []
    for _ in range(7):
        page.press("Tab")
        order.append(focused(page))
    assert order[:4] == ["copy", "beam", "go", "INPUT"]
    assert order[4:6] == ["SUMMARY", "INPUT"]  # the attention, and which kind of it
    page.run("document.querySelector('input[name=hypothesis]').focus()")
    page.press("ArrowDown")
    second = translator.hypotheses([TEXT], beam=3, n_best=3)[0][1]
    assert page.texts("#target") == [second.text]
    page.until("document.querySelectorAll('.queries button').length")
    page.run("document.querySelector('.queries button').focus()")
    page.press("ArrowRight")
    assert page.run("document.activeElement.getAttribute('aria-pressed')") == "true"
    assert page.texts(".readout")[0].endswith("%")


def test_every_control_has_a_name(page):
    translate(page, TEXT)
    page.call("Accessibility.enable")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    controls = [node for node in nodes if not node["ignored"] and node["role"]["value"] in CONTROLS]
    assert {node["role"]["value"] for node in controls} >= {"button", "textbox", "combobox", "radio"}
    assert [node for node in controls if not node["name"]["value"].strip()] == []


CONTROLS = {"button", "textbox", "combobox", "radio", "slider", "checkbox", "link", "radiogroup", "toolbar"}


def test_pointing_at_a_word_lights_up_what_it_looked_at(page):
    translate(page, TEXT)
    page.hover(".queries button", 1)
    assert page.run("document.querySelectorAll('.queries button')[1].getAttribute('aria-pressed')") == "true"
    lights = page.run(
        "[...document.querySelectorAll('.keys .word')].map((one) => parseInt(one.style.getPropertyValue('--light')))"
    )
    assert 95 <= sum(lights) <= 105


def test_one_sentence_after_the_other(page, translator):
    sentences = ["We see a house.", "The dog runs home."]
    translate(page, " ".join(sentences))
    page.until("document.querySelector('#status').textContent.startsWith('Translation')")
    translations = translator.translate(sentences, beam=3)
    assert page.texts("#target") == [" ".join(translations)]
    assert page.texts("#sentence") == ["Sentence 1 of 2"]
    page.click("#next")
    assert page.texts("#sentence") == ["Sentence 2 of 2"]
    assert page.texts(".hypothesis:first-child .text") == [translations[1]]
    page.run("document.querySelector('#target [role=button]').focus()")
    page.press("Enter")
    assert page.texts("#sentence") == ["Sentence 1 of 2"]
    assert page.texts("#target [aria-current=true]") == [translations[0]]


def test_text_is_text(page):
    """Typed text never becomes part of the page's markup."""
    translate(page, "<img src=x onerror=alert(1)>")
    assert page.run("document.querySelectorAll('img').length") == 0


def test_words_never_seen_in_training_are_underlined(chromium, translator):
    known = KnownWords.of(["The dog sees us."])
    with running(translator, PATIENT, known=known) as server:
        chromium.open(server.url)
        chromium.until("document.querySelector('#beam').options.length > 1")
        assert chromium.texts("#model")[0].endswith(" million parameters, knows 4 words; a model for study")
        enter(chromium, "😀 The gizmo sees\nthe flurb gizmo.")
        chromium.press("Enter")
        chromium.until("document.querySelectorAll('mark').length")
        assert chromium.texts("mark") == ["gizmo", "flurb", "gizmo"]
        assert chromium.texts("#unseen") == ["Never seen in training, so only guessed: gizmo, flurb"]
        assert chromium.texts("#marks") == ["😀 The gizmo sees\nthe flurb gizmo.\u200b"]
        # The words that are underlined stand exactly behind those of the text area, which grows with its text.
        text, marks, scroll_height, height = chromium.run("""(() => {
            const [text, marks] = ["#text", "#marks"].map((selector) => document.querySelector(selector));
            const places = [text, marks].map((one) => JSON.stringify(one.getBoundingClientRect()));
            return [...places, text.scrollHeight, text.clientHeight];
        })()""")
        assert text == marks
        assert scroll_height <= height
        enter(chromium, "the dog")
        assert chromium.texts("mark") == []
        assert chromium.run("document.querySelector('#unseen').hidden")


def test_a_narrow_and_a_dark_screen(page):
    translate(page, "the dog sees us and a cat sees the house and the dog runs home")
    page.run("document.querySelector('#search').open = true")
    page.resize(320, 640)
    assert page.run("document.documentElement.scrollWidth") <= 320
    light = page.run("getComputedStyle(document.body).backgroundColor")
    page.prefer_dark()
    assert page.run("getComputedStyle(document.body).backgroundColor") != light


def test_what_goes_wrong_is_said(chromium, translator):
    unfulfillable = dataclasses.replace(SEARCH, constraints=Constraints(prefix="the dog", banned=("dog",)))
    with running(translator, PATIENT, unfulfillable) as server:
        chromium.open(server.url)
        chromium.until("document.querySelector('#beam').options.length > 1")
        enter(chromium, "dogs run")
        chromium.press("Enter")
        chromium.until("document.querySelector('#note').classList.contains('warn')")
        assert chromium.texts("#note")[0].startswith("Sentence 1 has no translation that fulfils the constraints")
    enter(chromium, "a cat")
    chromium.press("Enter")
    chromium.until("document.querySelector('#note').textContent.startsWith('The server does not answer')")


def test_a_text_that_is_too_long_stays_whole_and_is_said_to_be(page, translator):
    assert json.loads(page.run("fetch('model').then((answer) => answer.text())"))["most"]["characters"] == 1000
    translate(page, TEXT)
    enter(page, "😀" * 999 + "ab")  # a character beyond 16 bits counts once, as the server counts it
    page.press("Enter")
    page.until("document.querySelector('#note').classList.contains('warn')")
    assert page.texts("#count, #note, #target") == ["1,001 / 1,000", "", "1 character too many: shorten the text."]
    assert page.run("document.querySelector('#text').value.length") == 2 * 999 + 2
    assert page.run("document.querySelector('#text').getAttribute('aria-invalid')") == "true"
    enter(page, TEXT)
    assert not page.run("document.querySelector('#count').classList.contains('warn')")
    page.press("Enter")
    page.until("document.querySelector('#status').textContent.startsWith('Translation')")
    assert page.texts("#target") == translator.translate([TEXT], beam=3)


@pytest.mark.parametrize("width", [320, 375, 1280])
@pytest.mark.parametrize("letters", [60, 120, 990])
def test_a_long_word_stays_on_the_screen(page, width, letters):
    """An address, or a compound: it is broken where the line ends."""
    page.resize(width, 800)
    enter(page, "see " + "w" * letters)
    page.press("Enter")
    page.until("document.querySelector('#status').textContent.startsWith('Translation')")
    assert page.run("document.documentElement.scrollWidth") <= width
    box, panel = page.run(
        "['#text', '.panel'].map((selector) => document.querySelector(selector).getBoundingClientRect().right)"
    )
    assert box <= panel


def test_a_model_of_long_words_stays_on_the_screen(chromium, translator, monkeypatch):
    monkeypatch.setattr(page_server, "ABOUT", serve.About("n" * 90, ("en", "de"), ("e" * 60,)))
    with running(translator, PATIENT) as server:
        chromium.resize(320, 640)
        chromium.open(server.url)
        chromium.until("document.querySelector('#beam').options.length > 1")
        assert chromium.run("document.documentElement.scrollWidth") <= 320


def test_a_model_that_computes_nan_is_said(chromium):
    translator = random_translator()
    translator.model.parameters.flat[...] = np.nan
    with running(translator, PATIENT) as server:
        chromium.open(server.url)
        chromium.until("document.querySelector('#beam').options.length > 1")
        enter(chromium, "dogs run")
        chromium.press("Enter")
        chromium.until("document.querySelector('#note').textContent.includes('NaN')")
