"""The web page's server in a thread, and a gate that holds its searches, for tests."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from numpy_transformer import serve
from numpy_transformer.data.known_words import KnownWords
from numpy_transformer.decoding.live import LiveRecorder
from numpy_transformer.serve.service import Limits, PageContent
from numpy_transformer.translation.search_options import SearchOptions
from numpy_transformer.translation.translator import Translator

ABOUT = serve.About("random", ("en", "de"), ("the dog runs", "we see a house"))
SEARCH = SearchOptions(beam=3)
PATIENCE = 900  # seconds before a test gives up waiting for what must happen


@contextlib.contextmanager
def running(
    translator: Translator, limits: Limits, search: SearchOptions = SEARCH, known: KnownWords | None = None
) -> Iterator[serve.PageServer]:
    """The server, serving."""
    content = serve.TranslationPage(translator, search=search, about=ABOUT, known=known, limits=limits)
    with serving(content) as server:
        yield server


@contextlib.contextmanager
def serving(content: PageContent) -> Iterator[serve.PageServer]:
    """The server of any page, serving."""
    with serve.PageServer(content, port=0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
            server.end()


class Gate:
    """Stops each search after this many steps until `opened` is set, and counts the steps of all searches."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, after: int = 0) -> None:
        self.reached, self.opened, self.steps = threading.Event(), threading.Event(), 0
        add_step = LiveRecorder.add_step

        def wait(recorder: LiveRecorder, *arguments: Any, **options: Any) -> None:
            self.steps += 1
            if sum(map(len, recorder.steps.values())) == after:
                self.reached.set()
                assert self.opened.wait(PATIENCE)
            add_step(recorder, *arguments, **options)

        monkeypatch.setattr(LiveRecorder, "add_step", wait)
