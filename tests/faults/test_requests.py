"""Hostile requests to the page: each is answered with a status or cut off, and the page goes on answering."""

import contextlib
import json
import random
import socket
import urllib.request
from pathlib import Path

import page_server
import pytest
import small_run

from numpy_transformer.serve.service import Limits
from numpy_transformer.translation.translator import Translator

QUICK = Limits(request_seconds=1.0, send_seconds=1.0, computing_seconds=5.0)
METHODS = [*[b"GET", b"POST"] * 8, b"HEAD", b"PUT", b"get", b"", b"\0", b"A" * 5000]
PATHS = [
    *[b"/translate"] * 20,
    b"/",
    b"/translate",
    b"/model",
    b"/page.js",
    b"/../etc/passwd",
    b"/%2e%2e/",
    b"*",
    b"//",
    b"/" + b"x" * 70_000,
    b"\xff",
    b"http://a/",
]
VERSIONS = [*[b"HTTP/1.0", b"HTTP/1.1"] * 8, b"HTTP/2", b"HTTP/9.9", b"", b"X", b"HTTP/1.1.1"]
BODIES = [
    b"",
    b"{}",
    b'{"text": "the dog"}',
    b'{"text": "a", "beam": 99}',
    b"[" * 9999,
    b'{"text": 1}',
    b"\xff",
    b"null",
    b'{"text": "\\ud800"}',
    b'{"text": "x", "y": 1}',
]


def request(rng: random.Random, port: int) -> bytes:
    """A request that is wrong somewhere, or nowhere."""
    host = rng.choice([b"127.0.0.1:%d" % port] * 20 + [b"localhost:%d" % port, b"evil.example", b"", b"\xff"])
    body = rng.choice(BODIES)
    length = rng.choice([b"%d" % len(body)] * 15 + [b"-1", b"9" * 30, b"1e3", b"", b"99", b"0"])
    headers = [b"Host: " + host, b"Content-Type: application/json", b"Content-Length: " + length]
    headers += rng.sample(
        [
            b"Origin: http://evil",
            b"Transfer-Encoding: chunked",
            b"Expect: 100-continue",
            b"X" * 70_000,
            b"no colon",
            b": x",
            b" folded",
            b"A: b\0c",
            b"Host: twice",
        ],
        max(0, rng.randrange(6) - 3),
    )
    rng.shuffle(headers)
    first = b" ".join([rng.choice(METHODS), rng.choice(PATHS), rng.choice(VERSIONS)])
    whole = rng.choice([b"\r\n", b"\r\n", b"\n"]).join([first, *headers, b"", body])
    if rng.random() < 0.2:
        whole = whole[: rng.randrange(len(whole) + 1)]
    if rng.random() < 0.1:
        whole = rng.randbytes(rng.randrange(200))
    return whole


def answer(port: int, sent: bytes) -> bytes:
    """What comes back until the connection ends; nothing if it is cut."""
    with socket.create_connection(("127.0.0.1", port)) as connection, contextlib.suppress(OSError):
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(1 << 16):
            received += part
        return received
    return b""


def test_each_is_answered(amount, tried, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rng, count, answers = random.Random(0), amount(500, 20_000), {}
    with page_server.running(Translator.load(small_run.write_model(tmp_path / "run")), QUICK) as server:
        port = server.server_address[1]
        for _ in range(count):
            sent = request(rng, port)
            received = answer(port, sent)
            assert not received or received.startswith(b"HTTP/1.0 "), (sent, received)
            status = received[9:12].decode() or "cut"
            assert not status.startswith("500"), (sent, received)
            answers[status] = answers.get(status, 0) + 1
        ask = urllib.request.Request(
            server.url + "translate",
            json.dumps({"text": "the dog"}).encode(),
            {"Content-Type": "application/json"},
        )
        assert b'"kind"' in urllib.request.urlopen(ask).read()
    assert "could not be answered" not in capsys.readouterr().err
    tried(f"{count} requests, the answers by status: {dict(sorted(answers.items()))}; then a good one was answered")
