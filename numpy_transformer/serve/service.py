"""What an answer is made from: the translator, what may be asked of it, and where the page is.

The server makes one PageService when it begins; the handler of each request reads it.
"""

import threading
from dataclasses import dataclass
from typing import Any

from numpy_transformer.data.known_words import KnownWords
from numpy_transformer.serve.turns import Turns
from numpy_transformer.translation.search_options import SearchOptions
from numpy_transformer.translation.translator import Translator


@dataclass(frozen=True)
class Limits:
    """What one client, or all of them together, may ask for."""

    characters: int = 1000  # of a text
    body_bytes: int = 1 << 14  # of a request: as many characters, written as JSON in the longest way
    beam: int = 16
    request_seconds: float = 10.0  # for the whole request to arrive
    send_seconds: float = 5.0  # for the client to take what it is sent
    translation_seconds: float = 60.0  # of computing
    waiting: int = 8  # requests behind the one that is being translated
    connections: int = 32


@dataclass(frozen=True)
class PageService:
    """What all requests share."""

    translator: Translator
    known: KnownWords | None  # of the model's training, where a file tells
    search: SearchOptions  # its beam is what the page begins with
    limits: Limits
    turns: Turns  # for the translator
    stopping: threading.Event  # set when the program ends
    url: str  # of the page
    hosts: frozenset[str]  # the names of this server that a request may ask for
    about: dict[str, Any]  # what the page must know about the model
