"""One HTTP request: what is refused, with a short answer, and the few things that are answered.

Every answer ends its connection (HTTP/1.0), so no request can hide in another. Clients that send or read too slowly
are disconnected. Only pages of this server may use it. Another site's page, open in the same browser, could send
requests here too, under its own name or, by rebinding its name to 127.0.0.1, under ours. The headers Host and Origin
reveal both.
"""

import io
import json
import math
import select
import socket
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib.resources import files
from pathlib import Path
from socketserver import BaseServer
from typing import Any

from numpy_transformer import seeing
from numpy_transformer.errors import InputError
from numpy_transformer.seeing.page import SCRIPTS, STYLE
from numpy_transformer.serve.service import Event, PageService, Refusal
from numpy_transformer.serve.turns import TooManyError

KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
# The files of every page by their paths: those in this folder, and the views of seeing/.
FILES = {
    **{f"/{name}": files(__package__).joinpath(name) for name in ("page.css", "asking.js")},
    **{f"/{name}": files(seeing).joinpath(name) for name in (STYLE, *SCRIPTS)},
}
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
LINGER_SECONDS = 1.0  # for a client that is still sending what was refused


class StoppedError(Exception):
    """Nobody is waiting for the answer any more."""


class Handler(BaseHTTPRequestHandler):
    """Answers one request."""

    default_request_version = "HTTP/1.0"  # of a first line that has none: even then the answer begins with a status
    disable_nagle_algorithm = True  # it would hold events back

    def __init__(self, service: PageService, request: socket.socket, client_address: Any, server: BaseServer) -> None:
        self.service = service
        self.content, self.limits = service.content, service.content.limits
        super().__init__(request, client_address, server)  # which answers the request

    def setup(self) -> None:
        """The whole request must arrive within a time limit, not only each of its bytes."""
        super().setup()
        self.rfile.close()
        deadline = time.monotonic() + self.limits.request_seconds
        self.rfile = io.BufferedReader(_TimedReader(self.connection, deadline))
        self._refused = self._streams = False
        self._deadline = math.inf  # of the computing

    # --- What can be asked for ---

    def do_GET(self) -> None:
        """Send a file of the page, or what the page must know about the model."""
        self._answer(self._get)

    def do_HEAD(self) -> None:
        """Send the same without its body."""
        self._answer(self._get)

    def do_POST(self) -> None:
        """The answer to a question of the page."""
        self._answer(self._post)

    def _get(self) -> None:
        path = self.path.partition("?")[0]
        own = {"/": self.content.html, f"/{self.content.script}": self.content.script}
        if path == self.content.path:
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "questions are sent with POST", {"Allow": "POST"})
        if path == "/model":
            self._send(HTTPStatus.OK, "application/json", json.dumps(self.content.about).encode())
        elif path in own or path in FILES:
            file = files(__package__).joinpath(own[path]) if path in own else FILES[path]
            self._send(HTTPStatus.OK, f"{KINDS[Path(file.name).suffix]}; charset=utf-8", file.read_bytes())
        else:
            raise Refusal(HTTPStatus.NOT_FOUND, "there is nothing at this path")

    def _post(self) -> None:
        if self.path != self.content.path:
            raise Refusal(HTTPStatus.NOT_FOUND, f"questions are sent to {self.content.path}")
        self._check_origin()
        asked = self.content.check(self._read_json())
        try:
            with self.service.turns.turn(lambda ahead: self._show_event({"kind": "waiting", "ahead": ahead})):
                self._deadline = time.monotonic() + self.limits.computing_seconds
                self.content.answer(asked, send=self._send_event, show=self._show_event)
        except TooManyError:
            message = "too many questions wait already: try again in a moment"
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, message, {"Retry-After": "5"}) from None
        except InputError as error:
            self._write_event({"kind": "error", "message": str(error)})

    # --- What is refused ---

    def _check_host(self) -> None:
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1:
            raise Refusal(HTTPStatus.BAD_REQUEST, "a request needs one Host header")
        if hosts[0].lower() not in self.service.hosts:
            raise Refusal(
                HTTPStatus.MISDIRECTED_REQUEST, f"this is {self.service.url}, not the host that was asked for"
            )

    def _check_origin(self) -> None:
        origins = self.headers.get_all("Origin", [])
        foreign = any(origin not in {f"http://{host}" for host in self.service.hosts} for origin in origins)
        if foreign or self.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            raise Refusal(HTTPStatus.FORBIDDEN, "only the page of this server may ask")
        if self.headers.get_content_type() != "application/json":
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send application/json")

    def _read_json(self) -> Any:
        lengths, most = self.headers.get_all("Content-Length", []), self.limits.body_bytes
        if "Transfer-Encoding" in self.headers or not lengths:
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "send the body in one piece, with a Content-Length")
        if len(lengths) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
            raise Refusal(HTTPStatus.BAD_REQUEST, "Content-Length must be one whole number")
        # Compared as text, too: a number of thousands of digits is not worth reading.
        if len(lengths[0]) > 20 or int(lengths[0]) > most:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {most:,} bytes")
        try:
            body = self.rfile.read(int(lengths[0]))
        except TimeoutError:
            raise Refusal(HTTPStatus.REQUEST_TIMEOUT, "the body took too long to arrive") from None
        if len(body) < int(lengths[0]):
            raise Refusal(HTTPStatus.BAD_REQUEST, "the body is shorter than its Content-Length")
        try:
            return json.loads(body.decode("utf-8"))
        except UnicodeDecodeError:
            raise Refusal(HTTPStatus.BAD_REQUEST, "the body is not UTF-8") from None
        except (ValueError, RecursionError):
            raise Refusal(HTTPStatus.BAD_REQUEST, "the body is not JSON") from None

    # --- How it is answered ---

    def _answer(self, respond: Callable[[], None]) -> None:
        try:
            self._check_host()
            respond()
        except Refusal as refusal:
            self._refuse(refusal)
        except (StoppedError, ConnectionError, TimeoutError):
            pass  # gone, or too slow to read

    def _refuse(self, refusal: Refusal) -> None:
        self._refused = True
        body = json.dumps({"error": refusal.message}).encode() + b"\n"
        self._send(refusal.status, "application/json", body, refusal.headers)

    def _send(self, status: HTTPStatus, kind: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.connection.settimeout(self.limits.send_seconds)
        self.send_response(status)
        for name, value in {**HEADERS, **(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _show_event(self, event: Event) -> None:
        """Send it unless the client still has earlier ones to read. Raises what _check_wanted raises."""
        self._check_wanted()
        if select.select([], [self.connection], [], 0)[1]:
            self._write_event(event)

    def _send_event(self, event: Event) -> None:
        """Send it. Raises what _check_wanted raises, and TimeoutError if the client does not read."""
        self._check_wanted()
        self._write_event(event)

    def _write_event(self, event: Event) -> None:
        if not self._streams:
            self._streams = True
            self.connection.settimeout(self.limits.send_seconds)
            self.send_response(HTTPStatus.OK)
            for name, value in HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/x-ndjson")
            self.end_headers()
        self.wfile.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")

    def _check_wanted(self) -> None:
        """Raises StoppedError if the client has gone or the program ends, InputError if the time is up."""
        if self.service.stopping.is_set():
            raise StoppedError
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                raise StoppedError
        except OSError:
            raise StoppedError from None
        if time.monotonic() > self._deadline:
            raise InputError(f"stopped after {self.limits.computing_seconds:g} seconds: try a shorter text")

    # --- What the base class calls ---

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that the base class rejects before it looks for a method."""
        if code == HTTPStatus.NOT_IMPLEMENTED:  # a method that we have no function for
            message = "only GET, HEAD and POST are answered here"
            self._refuse(Refusal(HTTPStatus.METHOD_NOT_ALLOWED, message, {"Allow": "GET, HEAD, POST"}))
        else:
            self._refuse(Refusal(HTTPStatus(code), HTTPStatus(code).phrase.lower()))

    def version_string(self) -> str:
        """The value of the header Server."""
        return "numpy_transformer"

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing on the terminal."""

    def finish(self) -> None:
        """End the connection. If a refused request is still arriving, keep reading for a moment: closing a connection
        with unread bytes resets it, which may destroy the answer before the client has read it."""
        super().finish()
        if self._refused:
            self.connection.shutdown(socket.SHUT_WR)
            reader = _TimedReader(self.connection, time.monotonic() + LINGER_SECONDS)
            while reader.read(1 << 16):
                pass


class _TimedReader(io.RawIOBase):
    """The bytes that a connection brings until the deadline; then reading raises TimeoutError."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        return self._connection.recv_into(buffer)
