"""The web page's server: its answers, and that nothing a client does reaches the terminal or stops it."""

import contextlib
import dataclasses
import http.client
import itertools
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_server import ABOUT, PATIENCE, SEARCH, Gate, running
from seeing_example import LINES, random_translator

import numpy_transformer as nt
from numpy_transformer import serve
from numpy_transformer.data.known_words import KnownWords
from numpy_transformer.decoding.constraints import Constraints
from numpy_transformer.decoding.live import Draft, LiveRecorder
from numpy_transformer.decoding.recorder import BeamRecorder
from numpy_transformer.seeing.story import tell
from numpy_transformer.seeing.view import view
from numpy_transformer.serve import translation_page
from numpy_transformer.serve.handler import FILES
from numpy_transformer.serve.service import Limits
from numpy_transformer.serve.turns import TooManyError, Turns
from numpy_transformer.translation.translator import Translator

Event = dict[str, Any]


@pytest.fixture(scope="module")
def translator() -> Translator:
    return random_translator()


@pytest.fixture(scope="module")
def server(translator: Translator) -> Iterator[serve.PageServer]:
    limits = Limits(request_seconds=PATIENCE, send_seconds=PATIENCE, computing_seconds=PATIENCE)
    with running(translator, limits) as server:
        yield server


@pytest.fixture(scope="module")
def impatient(translator: Translator) -> Iterator[serve.PageServer]:
    with running(translator, Limits(request_seconds=0.5)) as server:
        yield server


def connect(server: serve.PageServer) -> socket.socket:
    return socket.create_connection(server.server_address, timeout=PATIENCE)


def question(server: serve.PageServer, body: Any, **headers: str) -> bytes:
    """A request for a translation, as bytes."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    fields = {"Host": server.url[7:-1], "Content-Type": "application/json", "Content-Length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\r\n".join(["POST /translate HTTP/1.1", *lines, "", ""]).encode("latin-1") + body


def exchange(server: serve.PageServer, request: bytes, *, end: bool = False) -> tuple[int, dict[str, str], bytes]:
    """Send bytes and return the answer until the server closes; `end`: nothing follows the bytes."""
    with connect(server) as connection:
        connection.sendall(request)
        if end:
            connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    return int(status.split()[1]), dict(line.split(": ", 1) for line in lines), body


def events(server: serve.PageServer, body: Any) -> list[Event]:
    status, headers, body = exchange(server, question(server, body))
    assert (status, headers["Content-Type"]) == (200, "application/x-ndjson"), body
    return [json.loads(line) for line in body.splitlines()]


# --- What is answered ---


def test_the_events_tell_what_the_translator_finds(server, translator):
    text = "the dog runs home"
    begin, *others, done = events(server, {"text": text, "beam": 4})
    assert (begin, done) == ({"kind": "begin", "sentences": [[text, 0]]}, {"kind": "done"})
    kinds = [kind for kind, _ in itertools.groupby(event["kind"] for event in others)]
    assert kinds == ["draft", "found", "translated", "search", "attention"]
    [found] = [event for event in others if event["kind"] == "found"]
    [expected] = translator.hypotheses([text], beam=4, n_best=4)
    assert [row[0] for row in found["hypotheses"]] == [one.text for one in expected]
    np.testing.assert_allclose(
        [row[1:] for row in found["hypotheses"]], [[h.score, h.log_probability] for h in expected]
    )
    drafts = [event["drafts"] for event in others if event["kind"] == "draft"]
    assert drafts[-1][0][0] == expected[0].text
    assert drafts[-1][0][2] is True
    for step in drafts:
        assert [score for _, score, _ in step] == sorted((score for _, score, _ in step), reverse=True)


def test_lines_end_at_newlines_alone_and_edges_mean_nothing(server):
    """As in files: no other character ends a line; what surrounds a text is no part of it."""
    text = "\ufeff the dog\u2028runs\x85home\x1cnow \r\n\n a cat\x0bsees\x0cus\rnow\r\n"
    begin, *_ = events(server, {"text": text, "beam": 1})
    lines = ["the dog\u2028runs\x85home\x1cnow", "a cat\x0bsees\x0cus\rnow"]
    assert begin["sentences"] == [[lines[0], 0], [lines[1], 2]]
    around = events(server, {"text": " \ufeffthe dog\r\n", "beam": 2})
    bare = events(server, {"text": "the dog", "beam": 2})
    assert [one for one in around if one["kind"] == "found"] == [one for one in bare if one["kind"] == "found"]


def test_words_that_the_model_has_never_seen_are_told(translator):
    known = KnownWords.of(["The dog runs."])
    with running(translator, Limits(), known=known) as server:
        first, begin, *_ = events(server, {"text": "😀 the gizmo\n Runs, flurb", "beam": 1})
        assert first == {"kind": "unseen", "words": [[6, 11], [19, 24]]}  # counted in characters, in the whole text
        assert begin["kind"] == "begin"
        assert events(server, {"text": "the DOG runs", "beam": 1})[0] == {"kind": "unseen", "words": []}
        asked = f"GET /model HTTP/1.1\r\nHost: {server.url[7:-1]}\r\n\r\n".encode()
        assert json.loads(exchange(server, asked)[2])["knows"] == "3 words; a model for study"


def test_the_inside_is_that_of_each_hypothesis(server, translator):
    text = "the dog runs home"
    told = events(server, {"text": text, "beam": 2})
    recorder = BeamRecorder()
    [found] = translator.hypotheses([text], beam=2, n_best=2, recorder=recorder)
    story = tell(recorder, translator.tokenizer, alpha=SEARCH.alpha, n_best=2)
    assert [event["search"] for event in told if event["kind"] == "search"] == [as_json(dataclasses.asdict(story))]
    attention = [event["attention"] for event in told if event["kind"] == "attention"]
    assert attention == [
        as_json(view(text, one.text, translator.attention(text, one.ids), None)["attention"]) for one in found
    ]


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def test_the_inside_of_a_long_sentence_is_left_out(server):
    told = events(server, {"text": "x" * 150, "beam": 1})
    assert [event["search"] for event in told if event["kind"] == "search"] == [None]
    assert all(event["kind"] != "attention" for event in told)


def test_beam_is_the_command_lines_unless_the_request_names_one(server, translator):
    for body, beam in [({"text": "dogs run"}, 3), ({"text": "dogs run", "beam": 1}, 1)]:
        [found] = [event for event in events(server, body) if event["kind"] == "found"]
        expected = translator.hypotheses(["dogs run"], beam=beam, n_best=beam)[0]
        assert [row[0] for row in found["hypotheses"]] == [one.text for one in expected]


def test_a_text_is_translated_sentence_by_sentence(server, translator):
    sentences = ["the dog runs home.", "We see a house.", "Dogs run!"]
    begin, *others = events(server, {"text": f"{sentences[0]} {sentences[1]}\n \n{sentences[2]}"})
    assert begin["sentences"] == [[sentences[0], 0], [sentences[1], 0], [sentences[2], 2]]
    found = [event for event in others if event["kind"] == "found"]
    assert [event["sentence"] for event in found] == [0, 1, 2]
    assert [event["hypotheses"][0][0] for event in found] == translator.translate(sentences, beam=3)


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_a_blank_text_has_no_sentences(server, text):
    assert [event["kind"] for event in events(server, {"text": text})] == ["begin", "translated", "done"]


@given(text=st.text(max_size=30))
@settings(max_examples=15)
def test_any_text_is_answered(server, text):
    *_, last = events(server, {"text": text, "beam": 2})
    assert last["kind"] == "done"


def test_demands_mean_the_same_on_the_page(translator):
    """What the search fulfils by itself changes nothing; names of special tokens are no text."""
    [free] = translator.hypotheses(["the dog runs home"], beam=3, n_best=3)
    part = free[0].text.strip(" \N{REPLACEMENT CHARACTER}")[:3]
    for demands in (Constraints(banned=("<",)), Constraints(required=(part,)), Constraints(prefix="Ü")):
        [expected] = translator.hypotheses(["the dog runs home"], beam=3, n_best=3, constraints=demands)
        with running(translator, Limits(), dataclasses.replace(SEARCH, constraints=demands)) as server:
            told = events(server, {"text": " the dog runs home\r\n", "beam": 3})
        [found] = [event["hypotheses"] for event in told if event["kind"] == "found"]
        assert [row[0] for row in found] == [one.text for one in expected]
        assert len({row[0] for row in found}) == len(found)
        assert found[0][0].startswith("Ü") if demands.prefix else found[0][0] == free[0].text
        [search] = [event["search"] for event in told if event["kind"] == "search"]
        assert search["finished"][0]["text"] == found[0][0]


def test_constraints_hold_and_what_cannot_be_fulfilled_is_said(translator):
    impossible = Constraints(prefix="the dog", banned=("dog",))
    with running(translator, Limits(), dataclasses.replace(SEARCH, constraints=impossible)) as server:
        *_, last = events(server, {"text": "dogs run. a dog"})
    assert last["kind"] == "error"
    assert last["message"].startswith("sentence 1 has no translation that fulfils the constraints")


@pytest.mark.parametrize("path", [*FILES, "/model", "/?from=bookmark"])
def test_the_page_and_its_parts(server, path):
    status, headers, body = exchange(
        server, f"GET {path} HTTP/1.1\r\nHost: localhost:{server.server_port}\r\n\r\n".encode()
    )
    assert status == 200
    assert int(headers["Content-Length"]) == len(body) > 0
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert exchange(server, f"HEAD {path} HTTP/1.0\r\nHost: {server.url[7:-1]}\r\n\r\n".encode()) == (
        200,
        {**headers, "Date": ANY},
        b"",
    )


class _Any:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


ANY = _Any()


def test_the_page_asks_nothing_of_the_network():
    """The server has every file that the page refers to."""
    for path, file in FILES.items():
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|url\(|@import|eval\(", text), path
        for reference in re.findall(r'(?:src|href)="([^"]+)"', text):
            assert reference.startswith("data:") or f"/{reference}" in FILES


# --- What is refused ---

GET = "GET / HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("request_", "status", "message"),
    [
        ("GET /nothing HTTP/1.1\r\nHost: HOST\r\n\r\n", 404, "nothing at this path"),
        ("GET /../page.html HTTP/1.1\r\nHost: HOST\r\n\r\n", 404, "nothing at this path"),
        ("GET http://HOST/ HTTP/1.1\r\nHost: HOST\r\n\r\n", 404, "nothing at this path"),
        ("GET /translate HTTP/1.1\r\nHost: HOST\r\n\r\n", 405, "with POST"),
        ("PUT /translate HTTP/1.1\r\nHost: HOST\r\n\r\n", 405, "only GET, HEAD and POST"),
        ("OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n", 405, "only GET, HEAD and POST"),
        ("BREW /pot HTTP/1.1\r\nHost: HOST\r\n\r\n", 405, "only GET, HEAD and POST"),
        ("POST / HTTP/1.1\r\nHost: HOST\r\nContent-Length: 2\r\n\r\n{}", 404, "questions are sent to /translate"),
        (GET + "\r\n", 400, "one Host header"),
        (GET + "Host: HOST\r\nHost: HOST\r\n\r\n", 400, "one Host header"),
        (GET + "Host: evil.example\r\n\r\n", 421, "not the host that was asked for"),
        (GET + "Host: evil.example:PORT\r\n\r\n", 421, "not the host that was asked for"),
        (GET + "Host: 127.0.0.1\r\n\r\n", 421, "not the host that was asked for"),
        (GET + "Host: HOST.evil.example\r\n\r\n", 421, "not the host that was asked for"),
        ("GET /" + 70_000 * "a" + " HTTP/1.1\r\nHost: HOST\r\n\r\n", 414, "too long"),
        (GET + "A: " + 70_000 * "a" + "\r\n\r\n", 431, "too large"),
        (GET + 200 * "A: b\r\n" + "\r\n", 431, "too large"),
        ("GET / HTTP/2.0\r\n\r\n", 505, "not supported"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "not supported"),
        ("GET / and more HTTP/1.1\r\n\r\n", 400, "bad request"),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "bad request"),
        ("nonsense\r\n\r\n", 400, "bad request"),
    ],
)
def test_requests_that_are_none_of_the_pages(server, capfd, request_, status, message):
    request = request_.replace("HOST", server.url[7:-1]).replace("PORT", str(server.server_port)).encode("latin-1")
    answered, headers, body = exchange(server, request)
    assert (answered, headers["Content-Type"]) == (status, "application/json")
    assert message in json.loads(body)["error"]
    assert len(body) < 200
    assert_all_is_well(server, capfd)


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({"Host": "evil.example"}, 421, "not the host"),
        ({"Origin": "http://evil.example"}, 403, "only the page of this server"),
        ({"Origin": "https://127.0.0.1"}, 403, "only the page of this server"),
        ({"Origin": "null"}, 403, "only the page of this server"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "only the page of this server"),
        ({"Sec-Fetch-Site": "same-site"}, 403, "only the page of this server"),  # another port of this computer
        ({"Content-Type": "text/plain"}, 415, "send application/json"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "send application/json"),
        ({"Content-Type": None}, 415, "send application/json"),
        ({"Content-Length": None}, 411, "with a Content-Length"),
        ({"Transfer-Encoding": "chunked"}, 411, "with a Content-Length"),
        ({"Transfer-Encoding": "chunked", "Content-Length": None}, 411, "with a Content-Length"),
        ({"Content-Length": "-1"}, 400, "one whole number"),
        ({"Content-Length": "+5"}, 400, "one whole number"),
        ({"Content-Length": "5, 5"}, 400, "one whole number"),
        ({"Content-Length": "\u00b2"}, 400, "one whole number"),  # a superscript two is a digit, but no number
        ({"Content-Length": ""}, 400, "one whole number"),
        ({"Content-Length": "16385"}, 413, "at most 16,384 bytes"),
        ({"Content-Length": "9" * 5000}, 413, "at most 16,384 bytes"),
    ],
)
def test_questions_that_are_not_asked_by_the_page(server, capfd, headers, status, message):
    answered, _, body = exchange(server, question(server, {"text": "dogs run"}, **headers))
    assert answered == status
    assert message in json.loads(body)["error"]
    assert_all_is_well(server, capfd)


def test_the_pages_own_questions_carry_its_origin(server):
    own = {
        "Origin": server.url[:-1],
        "Sec-Fetch-Site": "same-origin",
        "Content-Type": "application/json; charset=utf-8",
    }
    assert exchange(server, question(server, {"text": "dogs run"}, **own))[0] == 200


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"text=dogs", 400, "not JSON"),
        (b"[" * 16_000, 400, "not JSON"),
        (b'{"text": "dogs", "beam": ' + b"9" * 6000 + b"}", 400, "not JSON"),
        (b'{"text": "\xff\xfe"}', 400, "not UTF-8"),
        ('{"text": "Zürich"}'.encode("latin-1"), 400, "not UTF-8"),
        (b"null", 400, '{"text": TEXT}'),
        (["dogs run"], 400, '{"text": TEXT}'),
        ({}, 400, '{"text": TEXT}'),
        ({"text": "dogs", "model": "/etc/passwd"}, 400, '{"text": TEXT}'),
        ({"text": None}, 400, "text must be a string"),
        ({"text": ["dogs"]}, 400, "text must be a string"),
        ({"text": "dogs", "beam": 2.0}, 400, "beam must be a whole number"),
        ({"text": "dogs", "beam": True}, 400, "beam must be a whole number"),
        (b'{"text": "dogs", "beam": NaN}', 400, "beam must be a whole number"),
        ({"text": "dogs", "beam": 0}, 400, "from 1 to 16"),
        ({"text": "dogs", "beam": 17}, 400, "from 1 to 16"),
        ({"text": "d" * 1001}, 413, "at most 1,000 characters"),
        (b'{"text": "\\ud800"}', 400, "half a surrogate pair"),
    ],
)
def test_questions_that_cannot_be_answered(server, capfd, body, status, message):
    answered, _, answer = exchange(server, question(server, body))
    assert answered == status
    assert message in json.loads(answer)["error"]
    assert_all_is_well(server, capfd)


def test_the_longest_text_fits(server, monkeypatch):
    def echo(translator: Translator, text: str, search: object, *, send: Callable[[Event], None], show: object) -> None:
        send({"kind": "echo", "text": text})

    monkeypatch.setattr(translation_page, "translate_text", echo)
    text = "\U0001f600" * 1000  # escaped, 12 bytes each
    assert events(server, {"text": text, "beam": 16}) == [{"kind": "echo", "text": text}]


def test_a_body_that_ends_early(server, capfd):
    request = question(server, {"text": "dogs run"}, **{"Content-Length": "500"})
    status, _, body = exchange(server, request, end=True)
    assert (status, json.loads(body)["error"]) == (400, "the body is shorter than its Content-Length")
    assert_all_is_well(server, capfd)


def test_a_body_that_does_not_arrive(impatient, capfd):
    status, _, body = exchange(impatient, question(impatient, {"text": "dogs run"}, **{"Content-Length": "500"}))
    assert (status, json.loads(body)["error"]) == (408, "the body took too long to arrive")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nA: "])
def test_a_request_that_never_ends_is_cut_off(impatient, capfd, sent):
    """The limit holds for the whole request, even if a byte arrives now and then."""
    with connect(impatient) as connection, contextlib.suppress(OSError):
        connection.sendall(sent)
        connection.settimeout(0.05)
        while True:
            try:
                assert connection.recv(100) == b""
                break
            except TimeoutError:
                connection.sendall(b"a")
    assert capfd.readouterr() == ("", "")


@given(request=st.binary(max_size=300) | st.text("GETPOS /HT1.:\r\n{}0", max_size=300).map(str.encode))
@settings(max_examples=60)
def test_any_bytes_are_answered_or_cut_off(server, request):
    with connect(server) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        assert answer == b"" or re.match(rb"HTTP/1\.0 (4|5)\d\d |\{\"error\"", answer)
    assert exchange(server, question(server, {"text": ""}))[0] == 200


def assert_all_is_well(server: serve.PageServer, capfd: pytest.CaptureFixture) -> None:
    """The terminal is quiet, and the next request is answered."""
    assert events(server, {"text": "dogs run"})[-1]["kind"] == "done"
    assert capfd.readouterr() == ("", "")


# --- Limits of time and number ---


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


def asked(server: serve.PageServer, gate: Gate) -> socket.socket:
    """A client whose text is being translated."""
    client = connect(server)
    client.sendall(question(server, {"text": "the dog runs home", "beam": 1}))
    assert gate.reached.wait(PATIENCE)
    return client


def test_when_the_client_has_gone_the_search_stops(server, gate, capfd):
    asked(server, gate).close()
    gate.opened.set()
    assert server.turns.wait_until_free(PATIENCE)
    assert gate.steps == 1
    assert_all_is_well(server, capfd)


def test_when_the_program_ends_the_search_stops(translator, gate):
    with running(translator, Limits()) as server, asked(server, gate):
        server.stopping.set()
        gate.opened.set()
        assert server.turns.wait_until_free(PATIENCE)
    assert gate.steps == 1


def test_a_client_that_goes_away_leaves_the_queue(server, gate, capfd):
    with asked(server, gate) as first, connect(server) as second:
        second.sendall(question(server, {"text": "dogs run"}))
        assert b'"ahead":1' in second.recv(4096).split(b"\r\n\r\n")[-1] + second.recv(4096)
        third = connect(server)
        third.sendall(question(server, {"text": "dogs run"}))
        while b'"ahead":2' not in (data := third.recv(4096)):
            assert data
        third.close()
        while len(server.turns) > 2:  # until it is noticed
            assert not gate.opened.wait(0.01)
        gate.opened.set()
        for client in (first, second):
            assert b'"kind":"done"' in b"".join(iter(lambda client=client: client.recv(1 << 16), b""))
    assert_all_is_well(server, capfd)


def test_no_more_wait_than_there_are_places(translator, gate, capfd):
    with running(translator, Limits(waiting=0)) as server:
        with asked(server, gate):
            status, headers, body = exchange(server, question(server, {"text": "dogs run"}))
            assert (status, headers["Retry-After"]) == (503, "5")
            assert "too many questions wait" in json.loads(body)["error"]
            gate.opened.set()
            assert server.turns.wait_until_free(PATIENCE)
        assert_all_is_well(server, capfd)


def test_no_more_connections_than_allowed(translator, capfd):
    with running(translator, Limits(connections=2, request_seconds=PATIENCE)) as server:
        idle = [connect(server) for _ in range(2)]
        assert exchange(server, b"")[0] == 503
        for connection in idle:
            connection.close()
        while exchange(server, question(server, {"text": ""}))[0] == 503:
            pass  # until their end is noticed
        assert_all_is_well(server, capfd)


def test_a_translation_that_takes_too_long_is_stopped(translator):
    with running(translator, Limits(computing_seconds=0)) as server:
        *_, last = events(server, {"text": "the dog runs home"})
    assert last == {"kind": "error", "message": "stopped after 0 seconds: try a shorter text"}


def test_a_client_that_does_not_read_holds_up_nobody(server, capfd):
    """It misses drafts."""
    with connect(server) as client:
        client.sendall(question(server, {"text": "a cat sees the dog " * 50, "beam": 16}))
        assert_all_is_well(server, capfd)


def test_a_client_that_does_not_take_what_must_be_sent_is_cut_off(translator, monkeypatch, capfd):
    def endless(*arguments: object, send: Callable[[Event], None], **options: object) -> None:
        while True:
            send({"kind": "filler", "text": "a" * 1_000_000})

    with running(translator, Limits(send_seconds=0.2)) as server, connect(server) as client:
        with monkeypatch.context() as patch:
            patch.setattr(translation_page, "translate_text", endless)
            client.sendall(question(server, {"text": "dogs run"}))
            assert client.recv(10)
            assert server.turns.wait_until_free(PATIENCE)
        assert_all_is_well(server, capfd)


def test_a_defect_is_one_line_on_the_terminal(translator, monkeypatch, capfd):
    def broken(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("ours")

    with running(translator, Limits()) as server:
        monkeypatch.setattr(Translator, "search", broken)
        exchange(server, question(server, {"text": "dogs run"}))
    assert capfd.readouterr() == ("", "a request could not be answered: ZeroDivisionError: ours\n")


def test_a_model_that_computes_nan_is_said(capfd):
    translator = random_translator()
    translator.model.parameters.flat[...] = np.nan
    with running(translator, Limits()) as server:
        *_, last = events(server, {"text": "dogs run"})
    assert last["kind"] == "error"
    assert "NaN" in last["message"]
    assert capfd.readouterr() == ("", "")


# --- The parts ---


def test_turns_come_in_order_and_places_are_limited():
    turns, order, asked_of = Turns(places=2), [], []
    entered = [threading.Event() for _ in range(3)]
    leave = threading.Event()

    def waiting(number: int) -> Callable[[int], None]:
        def note(ahead: int) -> None:
            asked_of.append((number, ahead))
            entered[number].set()

        return note

    def take(number: int) -> None:
        with turns.turn(waiting(number)):
            order.append(number)
            entered[number].set()
            assert leave.wait(PATIENCE)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(3)]
    for thread, event in zip(threads, entered, strict=True):
        thread.start()
        assert event.wait(PATIENCE)
    with pytest.raises(TooManyError), turns.turn(waiting(0)):
        pass
    assert not turns.wait_until_free(0)
    leave.set()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2]
    assert asked_of[0] == (1, 1)
    assert (2, 2) in asked_of
    assert turns.wait_until_free(0)


@given(seed=st.integers(0, 20), beam=st.integers(1, 5), line=st.sampled_from(LINES[:5]))
@settings(max_examples=15)
def test_the_drafts_end_as_what_the_search_returns(seed, beam, line):
    translator = random_translator(seed)
    shown: list[list[Draft]] = []
    [found] = translator.hypotheses([line], beam=beam, n_best=beam, recorder=LiveRecorder(shown.append))
    finished = [draft for draft in shown[-1] if draft.finished]
    assert [draft.ids for draft in finished][: len(found)] == [one.ids for one in found]
    np.testing.assert_allclose([draft.score for draft in finished][: len(found)], [one.score for one in found])
    for drafts in shown:
        assert sum(draft.finished for draft in drafts) <= beam
        assert sum(not draft.finished for draft in drafts) <= beam
    lengths = [max(len(draft.ids) for draft in drafts) for drafts in shown]
    assert lengths[0] <= 1


def test_what_show_raises_ends_the_search(translator):
    class EnoughError(Exception):
        pass

    def enough(drafts: list[Draft]) -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        translator.hypotheses(["dogs run"], recorder=LiveRecorder(enough))


def test_the_page_says_what_the_runs_folder_tells(tmp_path):
    assert serve.about_models([tmp_path]) == serve.About(tmp_path.name, (None, None), [])
    (tmp_path / "config.json").write_text('{"options": {"source": "en", "target": "fr"}, "model": {}}')
    old, new = (
        "step 1\nsource     Old.\n",
        "test, mean of 2 checkpoint(s)\nsource     Hello.\nreference  Salut.\nmodel      x\n",
    )
    long, others = f"source     {'a' * 61}\n", "".join(f"source     {number}\n" for number in "112345")
    (tmp_path / "samples.txt").write_text(f"{old}\n{new}{long}{others}\n")
    expected = serve.About(tmp_path.name, ("en", "fr"), ["Hello.", "1", "2", "3"])
    assert serve.about_models([tmp_path]) == expected
    checkpoint = tmp_path / "checkpoints" / "best.safetensors"
    assert serve.about_models([checkpoint, tmp_path / "two"]).name == "best.safetensors + two"
    assert serve.about_models([checkpoint]).examples == expected.examples
    for damaged in ("", "[]", '{"options": 1}', '{"options": {}}'):
        (tmp_path / "config.json").write_text(damaged)
        assert serve.about_models([tmp_path]).languages == (None, None)


@pytest.mark.parametrize("port", [-1, 65536])
def test_ports_that_do_not_exist(translator, port):
    with pytest.raises(nt.InputError, match=rf"port is {port}; it must be from 0"):
        serve.PageServer(serve.TranslationPage(translator, search=SEARCH, about=ABOUT), port=port)


def test_a_port_in_use(server, translator):
    port = server.server_port
    with pytest.raises(nt.InputError, match=rf"port {port} is in use: .* another with --port {port % 65535 + 1}"):
        serve.PageServer(serve.TranslationPage(translator, search=SEARCH, about=ABOUT), port=port)


def test_only_this_computer_is_served(server):
    assert server.server_address[0] == "127.0.0.1"
    client = http.client.HTTPConnection("localhost", server.server_port, timeout=PATIENCE)
    client.request("GET", "/model")
    assert json.loads(client.getresponse().read())["name"] == "random"
