"""The server: connections, how many there are, and their start and end."""

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from numpy_transformer.errors import InputError
from numpy_transformer.serve.handler import Handler
from numpy_transformer.serve.service import PageContent, PageService
from numpy_transformer.serve.turns import Turns

ADDRESS = "127.0.0.1"  # of this computer, for this computer
HTTP_PORT = 80  # the one that browsers leave out
END_SECONDS = 3.0  # for a step of the search to end


class PageServer(ThreadingHTTPServer):
    """Serves a page and answers its questions, one at a time.

    port: 0 is any free one. Raises InputError if it cannot be had.
    """

    daemon_threads = True
    request_queue_size = 32
    allow_reuse_address = os.name == "posix"  # elsewhere it would share the port with another program

    def __init__(self, content: PageContent, *, port: int) -> None:
        limits = content.limits
        self.turns = Turns(limits.waiting)
        self.stopping = threading.Event()
        self._room = threading.BoundedSemaphore(limits.connections)
        if not 0 <= port < 1 << 16:
            raise InputError(f"port is {port}; it must be from 0 (any free one) to 65535")
        try:
            super().__init__((ADDRESS, port), self._answer)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                reason = f"is in use: end the program that uses it, or choose another with --port {port % 65535 + 1}"
            else:
                reason = f"cannot be used ({error.strerror}): choose another with --port"
            raise InputError(f"port {port} {reason}") from None
        port = self.server_address[1]
        self.url = f"http://{ADDRESS}:{port}/"
        names = {ADDRESS, "localhost"}
        self._service = PageService(
            content=content,
            turns=self.turns,
            stopping=self.stopping,
            url=self.url,
            hosts=frozenset(f"{name}:{port}" for name in names) | (names if port == HTTP_PORT else set()),
        )

    def _answer(self, request: Any, client_address: Any, server: "PageServer") -> Handler:
        """Answer one request: the base class calls this where it would make a handler."""
        return Handler(self._service, request, client_address, server)

    def server_bind(self) -> None:
        """Bind as the base class does, but without looking up this computer's name on the network."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, unless there are too many already."""
        if not self._room.acquire(blocking=False):
            request.setblocking(False)
            with contextlib.suppress(OSError):
                request.send(b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 5\r\n\r\n")
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:  # no thread could be started
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Handle one connection from start to end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that is gone or too slow; report our own defects in one line."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            print(f"a request could not be answered: {type(error).__name__}: {error}", file=sys.stderr)

    def end(self) -> None:
        """Stop the current answer, and close."""
        self.stopping.set()
        self.turns.wait_until_free(END_SECONDS)
        self.server_close()


def serve(server: PageServer, announce: Callable[[str], None]) -> None:
    """Serve the page until Ctrl-C."""
    with server:
        announce(f"open {server.url} in a browser on this computer; end with Ctrl-C")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            announce("ended")
        finally:
            server.end()
