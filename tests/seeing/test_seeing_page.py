"""The page of --attention in a real browser: pointing, keys, steps of the search, narrow and dark screens."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import Browser, needs_browser, open_browser
from seeing_example import Seen, random_translator, seen

from numpy_transformer.decoding.attention_maps import token_groups
from numpy_transformer.seeing.drawing import save_attention

TEXT = "the dog sees us <b>"

pytestmark = needs_browser


@pytest.fixture(scope="module")
def inside() -> Seen:
    return seen(random_translator(1), TEXT, n_best=2)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser, inside: Seen, tmp_path: Path) -> Browser:
    """The browser with the page open."""
    path = tmp_path / "page.html"
    save_attention(path, text=TEXT, translation=inside.found[0].text, maps=inside.maps, story=inside.story)
    chromium.requests.clear()
    chromium.complaints.clear()
    chromium.resize(1280, 900)
    chromium.prefer_dark(False)
    chromium.open(path.as_uri())
    yield chromium
    assert chromium.complaints == []
    assert chromium.requests == [path.as_uri()]


def word_weights(weights: np.ndarray, queries: list[bytes], keys: list[bytes]) -> np.ndarray:
    """From weights between tokens to words: the mean over the query word's tokens, the sum over the key word's."""

    def members(tokens: list[bytes]) -> np.ndarray:
        groups = np.array(token_groups(tokens))
        return (groups == np.arange(groups.max() + 1)[:, None]).astype(float)  # (words, tokens)

    rows, columns = members(queries), members(keys)
    return rows / rows.sum(axis=1, keepdims=True) @ weights @ columns.T


def shown_lights(browser: Browser, selector: str) -> list[int]:
    """The percentage with which each element is lit."""
    return browser.run(
        f"[...document.querySelectorAll('{selector}')].map((one) => parseInt(one.style.getPropertyValue('--light')))"
    )


def assert_source_is_lit(browser: Browser, expected: np.ndarray) -> None:
    np.testing.assert_allclose(shown_lights(browser, ".keys .word"), 100 * expected, atol=1)


def test_pointing_at_a_word_lights_up_its_source_words(browser, inside):
    maps = inside.maps
    expected = word_weights(maps.weights.cross.mean(axis=(0, 1)), maps.target, maps.source)
    words = browser.run("document.querySelectorAll('.queries .word').length")
    assert words == len(expected)
    for word in (words - 1, 0, words // 2):
        browser.hover(".queries .word", word)
        assert_source_is_lit(browser, expected[word])
        pressed = browser.run("[...document.querySelectorAll('.queries .word')].map((one) => one.ariaPressed)")
        assert [i for i, value in enumerate(pressed) if value == "true"] == [word]
        [readout] = browser.texts(".readout")
        strongest = browser.texts(".keys .word")[int(expected[word].argmax())]
        assert f"looks at {strongest.rstrip('0123456789%')} " in readout
        # Each head lights up the word that it looks at most.
        heads = [word_weights(head, maps.target, maps.source)[word] for layer in maps.weights.cross for head in layer]
        np.testing.assert_allclose(shown_lights(browser, ".top"), [100 * head.max() for head in heads], atol=1)


@pytest.mark.parametrize("width", [375, 1280])
def test_no_line_crosses_a_percentage(browser, width):
    """A number stands within its word, which hides what is behind it; the lines begin below the word."""
    browser.resize(width, 900)
    for word in range(browser.run("document.querySelectorAll('.queries .word').length")):
        browser.hover(".queries .word", word)
        places = browser.run("""[...document.querySelectorAll('.keys .word')].map((word, index) => {
            const boxOf = (one) => one.getBoundingClientRect();
            const [number, path] = [word.querySelector('small'), document.querySelectorAll('.links path')[index]];
            const [outer, inner, links] = [word, number, path.ownerSVGElement].map(boxOf);
            const end = links.top + path.getPointAtLength(path.getTotalLength()).y;
            return [number.textContent, inner.top >= outer.top, inner.bottom <= outer.bottom, end - outer.bottom];
        })""")
        assert any(number for number, *_ in places)
        for _, top, bottom, distance in places:
            assert top
            assert bottom
            assert abs(distance) < 1
    assert browser.run("getComputedStyle(document.querySelector('.keys')).zIndex") == "1"
    assert "rgba" not in browser.run("getComputedStyle(document.querySelector('.keys .word')).backgroundColor")


@pytest.mark.parametrize("width", [375, 1280])
def test_a_long_word_stays_on_the_screen(chromium, tmp_path, width):
    word = "https://" + "w" * 90
    found, maps, story = seen(random_translator(1), f"see {word}")
    path = tmp_path / "page.html"
    save_attention(path, text=word, translation=word + found[0].text, maps=maps, story=story)
    chromium.resize(width, 700)
    chromium.open(path.as_uri())
    assert chromium.run("document.documentElement.scrollWidth") <= width


def test_the_keyboard_does_what_the_mouse_does(browser, inside):
    maps = inside.maps
    expected = word_weights(maps.weights.cross.mean(axis=(0, 1)), maps.target, maps.source)
    browser.press("Tab")  # the kinds of attention
    browser.press("Tab")  # the first word of the translation
    assert_source_is_lit(browser, expected[0])
    browser.press("ArrowRight")
    assert_source_is_lit(browser, expected[1])
    browser.press("End")
    assert_source_is_lit(browser, expected[-1])
    browser.press("Home")
    assert_source_is_lit(browser, expected[0])
    browser.press("Tab")  # the large map
    browser.press("ArrowDown")
    browser.press("ArrowRight")
    weight = round(100 * float(maps.weights.cross.mean(axis=(0, 1))[1, 1]))
    assert browser.texts(".readout")[0].endswith(f": {weight}%")
    browser.press("Tab")  # "all"
    browser.press("ArrowRight")
    assert browser.run("document.activeElement.textContent") == "layer 1"
    browser.press("ArrowRight")
    browser.press("Enter")  # layer 1, head 1
    assert browser.texts(".large h3") == ["Layer 1, head 1"]
    head = word_weights(maps.weights.cross[0, 0], maps.target, maps.source)
    assert_source_is_lit(
        browser,
        head[
            browser.run(
                "[...document.querySelectorAll('.queries .word')].findIndex((one) => one.ariaPressed === 'true')"
            )
        ],
    )


def test_each_head_and_kind_can_be_chosen(browser, inside):
    weights = inside.maps.weights
    kinds = [
        (weights.cross, inside.maps.target, inside.maps.source),
        (weights.encoder, inside.maps.source, inside.maps.source),
        (weights.decoder, inside.maps.target, None),
    ]
    for number, (kind, queries, keys) in enumerate(kinds):
        browser.click(".kinds label", number)
        layers, heads = kind.shape[:2]
        assert browser.run("document.querySelectorAll('.head canvas').length") == layers * heads
        browser.hover(".queries .word", 0)
        for head in range(layers * heads):
            browser.click(".head", head)
            assert browser.texts(".large h3") == [f"Layer {head // heads + 1}, head {head % heads + 1}"]
            if keys is not None:
                expected = word_weights(kind.reshape(-1, *kind.shape[2:])[head], queries, keys)
                browser.hover(".queries .word", 0)
                assert_source_is_lit(browser, expected[0])
        browser.click(".head", layers * heads - 1)  # once more: all of them again
        assert browser.texts(".large h3") == [f"Mean of all {layers * heads} heads"]


def test_the_maps_are_painted(browser, inside):
    """The pixels of a small map are the weights: as opaque as a weight is large."""
    alpha = browser.run(
        "(() => { const canvas = document.querySelector('.head canvas');"
        "const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;"
        "return [canvas.height, canvas.width, ...data.filter((_, i) => i % 4 === 3)]; })()"
    )
    values = np.array(list(alpha.values()) if isinstance(alpha, dict) else alpha)
    expected = inside.maps.weights.cross[0, 0]
    assert tuple(values[:2]) == expected.shape
    np.testing.assert_allclose(values[2:].reshape(expected.shape) / 255, expected, atol=0.005)


def nodes(browser: Browser) -> list[str]:
    """The labels of the tree's visible nodes."""
    return browser.run(
        "[...document.querySelectorAll('.tree .node')].filter((one) => !one.hasAttribute('hidden'))"
        ".map((one) => one.querySelector('text').textContent)"
    )


def expected_nodes(inside: Seen, step: int) -> list[str]:
    """Everything kept in the steps up to this one, and everything dropped in this one."""
    beam, chapters = inside.story.beam, inside.story.chapters[:step]
    return [
        branch.token
        for number, chapter in enumerate(chapters, 1)
        for branch in (chapter.branches if number == step else chapter.branches[:beam])
        if branch.total is not None
    ]


def test_the_search_can_be_stepped_through(browser, inside):
    chapters = inside.story.chapters
    last = len(chapters)
    assert browser.texts(".count") == [f"step {last} of {last}"]
    assert browser.texts(".why")[0].replace("−", "-") == inside.story.reason
    browser.click("button[aria-label='First step']")
    for step in range(1, last + 1):
        assert browser.texts(".count") == [f"step {step} of {last}"]
        assert nodes(browser) == expected_nodes(inside, step)
        assert [event.replace("−", "-") for event in browser.texts(".events li")] == chapters[step - 1].events
        rows = browser.run(
            "[...document.querySelector('.tables tbody').rows]"
            ".map((row) => [...row.cells].map((cell) => cell.textContent))"
        )
        branches = [branch for branch in chapters[step - 1].branches if branch.total is not None]
        assert [row[2:5] for row in rows] == [
            [f"{value:.3f}".replace("-", "−") for value in (branch.log_probability, branch.total, branch.score)]
            for branch in branches
        ]
        assert [row[5] for row in rows] == [branch.fate.replace("live", "goes on") for branch in branches]
        browser.click("button[aria-label='Step forward']")
    assert browser.texts(".count") == [f"step {last} of {last}"]


def test_the_tree_follows_the_keyboard(browser, inside):
    last = len(inside.story.chapters)
    browser.run("document.querySelector('.tree').focus()")
    browser.press("Home")
    browser.press("ArrowRight")
    assert nodes(browser) == expected_nodes(inside, 2)
    browser.press("ArrowLeft")
    assert nodes(browser) == expected_nodes(inside, 1)
    assert browser.texts(".why") == [""]
    browser.press("End")
    assert browser.texts(".count") == [f"step {last} of {last}"]


def test_the_winners_way_is_marked(browser, inside):
    wins = [[b.wins for b in chapter.branches[: inside.story.beam]] for chapter in inside.story.chapters]
    marked = browser.run("document.querySelectorAll('.tree .node.wins').length")
    assert marked == sum(map(sum, wins)) == inside.story.finished[0].step
    browser.hover(".tables tbody tr", 0)
    lit = browser.run("document.querySelectorAll('.tree .node.lit').length")
    assert lit == len(inside.story.chapters)  # the way from the first step to a row of the last


def test_a_search_can_play(browser, inside):
    browser.click("button[aria-label='Play']")
    assert browser.texts(".count")[0].startswith("step 1 of")
    browser.run(
        "new Promise((done) => new MutationObserver(done).observe(document.querySelector('.count'), {childList: true}))"
    )
    assert browser.texts(".count")[0].startswith("step 2 of")
    browser.click("button[aria-label='Play']")
    assert browser.texts("button[aria-label='Play']") == ["play"]


@pytest.mark.parametrize("width", [320, 390, 800])
def test_a_narrow_screen_needs_no_sideways_scrolling(browser, width):
    browser.resize(width, 700)
    for kind in range(3):
        browser.click(".kinds label", kind)
        assert browser.run("document.documentElement.scrollWidth") <= width


def test_dark_screens_are_dark(browser):
    def brightness(selector: str, what: str) -> float:
        colour = browser.run(f"getComputedStyle(document.querySelector('{selector}')).{what}")
        return sum(map(float, colour[colour.index("(") + 1 : -1].split(",")[:3])) / (3 * 255)

    assert brightness("body", "backgroundColor") > 0.9 > 0.3 > brightness("body", "color")
    browser.prefer_dark()
    assert brightness("body", "backgroundColor") < 0.2 < 0.8 < brightness("body", "color")


def test_everything_to_act_on_has_a_name(browser):
    """For screen readers: buttons, inputs and everything else that can be focused have text or a label."""
    nameless = browser.run(
        "[...document.querySelectorAll('button, input, [tabindex=\"0\"]')]"
        ".filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length)).length"
    )
    assert nameless == 0


def test_a_sample_has_no_search_to_show(chromium, inside, tmp_path):
    path = tmp_path / "page.html"
    save_attention(path, text=TEXT, translation="x", maps=inside.maps)
    chromium.open(path.as_uri())
    assert chromium.texts("h2") == ["Attention"]
