"""The page on which a language model goes on with a text: its questions, its events, and the page in a real browser."""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from browser import Browser, needs_browser, open_browser
from page_server import PATIENCE, serving

import bpe
import numpy_transformer as nt
from numpy_transformer import serve
from numpy_transformer.commands import complete_text
from numpy_transformer.serve.service import Limits
from numpy_transformer.tasks.completion import Completer

PATIENT = Limits(request_seconds=PATIENCE, send_seconds=PATIENCE, computing_seconds=PATIENCE, characters=40)
TEXT = "the dog sees the cat and the cat sees the dog"


@pytest.fixture(scope="module")
def completer() -> Completer:
    tokenizer = bpe.train([TEXT] * 3, vocabulary_size=275)
    config = nt.TransformerConfig(
        vocabulary_size=len(tokenizer), decoder_layers=2, d_model=16, d_ff=16, heads=2, context=400
    )
    return Completer(nt.LanguageModel(config, seed=3), tokenizer)


@pytest.fixture(scope="module")
def server(completer: Completer) -> Iterator[serve.PageServer]:
    about = serve.About("random", examples=["the dog"])
    with serving(serve.CompletionPage(completer, about=about, limits=PATIENT)) as server:
        yield server


def answer(server: serve.PageServer, question: Any) -> tuple[int, list[dict[str, Any]]]:
    """Status and events, or the one refusal."""
    client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENCE)
    client.request("POST", "/complete", json.dumps(question), {"Content-Type": "application/json"})
    response = client.getresponse()
    return response.status, [json.loads(line) for line in response.read().decode().splitlines()]


def test_the_events_are_the_completion_and_its_attention(server, completer):
    status, events = answer(server, {"text": "the dog", "length": 12, "temperature": 0.5, "seed": 4})
    assert status == 200
    pieces = [event["text"] for event in events if event["kind"] == "piece"]
    sampling = nt.Sampling(temperature=0.5, seed=4)
    assert ["".join(pieces)] == completer.complete("the dog", length=12, sampling=sampling)
    kinds = [event["kind"] for event in events if event["kind"] != "piece"]
    assert kinds == ["written", "attention", "done"]
    [kind] = events[-2]["attention"]
    assert kind["title"] == "Self-attention"
    assert len(kind["queries"]) == len(kind["keys"]) == len(kind["weights"][0][0])


def test_temperature_0_is_greedy_and_a_long_text_shows_no_attention(server, completer):
    _, events = answer(server, {"text": "the", "length": 150, "temperature": 0})
    assert "".join(event.get("text", "") for event in events) == completer.complete("the", length=150)[0]
    assert events[-2] == {"kind": "attention", "attention": None}


@pytest.mark.parametrize(
    ("question", "status", "message"),
    [
        ({}, 400, 'send {"text": TEXT}'),
        ({"text": "a", "beam": 4}, 400, 'send {"text": TEXT}'),
        ({"text": 1}, 400, "text must be a string"),
        ({"text": "a" * 41}, 413, "a text has at most 40 characters"),
        ({"text": "\ud800"}, 400, "half a surrogate pair"),
        ({"text": "a", "length": 0}, 400, "length must be from 1 to 1000"),
        ({"text": "a", "length": True}, 400, "length must be a whole number"),
        ({"text": "a", "temperature": 2.1}, 400, "temperature must be from 0 to 2"),
        ({"text": "a", "temperature": "1"}, 400, "temperature must be a number"),
        ({"text": "a", "seed": -1}, 400, "seed must be from 0"),
        ({"text": ""}, 200, "the prompt is empty"),
    ],
)
def test_what_cannot_be_asked(server, question, status, message):
    found, [event] = answer(server, question)
    assert found == status
    assert message in event["error" if status != 200 else "message"]


def test_the_translating_page_is_not_here(server):
    client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=PATIENCE)
    client.request("GET", "/page.js")
    assert client.getresponse().status == 404


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a PROMPT"),
        (["a", "--serve"], "PROMPT has no meaning with --serve"),
        (["--serve", "--top-k", "3"], "--top-k has no meaning with --serve"),
        (["a", "--port", "0"], "--port is of the page"),
    ],
)
def test_options_that_do_not_go_together(arguments, message):
    with pytest.raises(nt.InputError, match=message):
        complete_text.main(arguments)


# --- In a browser ---


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser, server: serve.PageServer) -> Iterator[Browser]:
    chromium.requests.clear()
    chromium.complaints.clear()
    chromium.resize(1280, 900)
    chromium.open(server.url)
    chromium.until("document.querySelector('#length').options.length > 1")
    yield chromium
    assert chromium.complaints == []
    assert all(request.startswith(server.url) for request in chromium.requests)


WRITTEN = "document.querySelector('#note').textContent.startsWith('Written in')"


@needs_browser
def test_a_text_goes_on_and_another_time_otherwise(page, completer):
    page.run("document.querySelector('#examples button').click()")
    page.until(
        f"{WRITTEN} && !document.querySelector('#attention').hidden || !document.querySelector('#too-long').hidden",
    )
    first = page.run("document.querySelector('#target').textContent")
    expected = completer.complete("the dog", length=100, sampling=nt.Sampling(temperature=0.8, seed=0))
    assert first == "the dog" + expected[0]
    page.run("document.querySelector('#go').click()")
    page.until(f"{WRITTEN} && document.querySelector('#target').textContent !== {json.dumps(first)}")
    expected = completer.complete("the dog", length=100, sampling=nt.Sampling(temperature=0.8, seed=1))
    assert page.run("document.querySelector('#target').textContent") == "the dog" + expected[0]


@needs_browser
def test_attention_errors_and_a_narrow_screen(page):
    page.resize(360, 700)
    page.run("document.querySelector('#length').value = 20; document.querySelector('#examples button').click()")
    page.until("!document.querySelector('#attention').hidden")
    assert page.run("document.querySelectorAll('#attention-view .head').length") == 4
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    page.run("document.querySelector('#text').value = ''; document.querySelector('#go').click()")
    page.until("document.querySelector('#note').classList.contains('warn')")
    assert page.run("document.querySelector('#note').textContent").startswith("The prompt is empty")
    assert page.run("document.querySelector('#attention').hidden")
