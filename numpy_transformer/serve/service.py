"""What an answer is made from: the page's content, who waits for it, and where the page is.

The server makes one PageService when it begins; the handler of each request reads it. A content is what one kind of
page asks and shows: translation_page.py, completion_page.py.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

from numpy_transformer.serve.turns import Turns

Event = dict[str, Any]
Receiver = Callable[[Event], None]


@dataclass(frozen=True)
class Limits:
    """What one client, or all of them together, may ask for."""

    characters: int = 1000  # of a text
    body_bytes: int = 1 << 14  # of a request: as many characters, written as JSON in the longest way
    beam: int = 16
    tokens: int = 1000  # that a completion adds
    request_seconds: float = 10.0  # for the whole request to arrive
    send_seconds: float = 5.0  # for the client to take what it is sent
    computing_seconds: float = 60.0  # of one answer
    waiting: int = 8  # requests behind the one that is being answered
    connections: int = 32


USUAL_LIMITS = Limits()


class Refusal(Exception):  # noqa: N818 (an answer, no error of ours)
    """The request is answered with this status and message."""

    def __init__(self, status: HTTPStatus, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers or {}


class PageContent(ABC):
    """What one kind of page asks and shows. Server, connections and refusals are the same for all."""

    path: ClassVar[str]  # where its questions are sent
    html: ClassVar[str]  # the page and its script, files in this folder
    script: ClassVar[str]

    limits: Limits
    about: dict[str, Any]  # what the page must know about the model

    @abstractmethod
    def check(self, question: Any) -> Any:
        """What a request asks, from its JSON. Raises Refusal."""

    @abstractmethod
    def answer(self, asked: Any, *, send: Receiver, show: Receiver) -> None:
        """Tell of the answer event by event: `send` gets what must arrive, `show` what may be left out.

        What either raises ends the work at once and comes out of it. Raises InputError for what cannot be answered.
        """


@dataclass(frozen=True)
class PageService:
    """What all requests share."""

    content: PageContent
    turns: Turns  # for the model
    stopping: threading.Event  # set when the program ends
    url: str  # of the page
    hosts: frozenset[str]  # the names of this server that a request may ask for


def check_fields(question: Any, more: set[str]) -> None:
    """Raises Refusal unless the question is an object with a "text" and at most the fields `more`."""
    if not isinstance(question, dict) or not {"text"} <= question.keys() <= {"text", *more}:
        shown = ", ".join(f'"{name}": NUMBER' for name in sorted(more))
        raise Refusal(HTTPStatus.BAD_REQUEST, f'send {{"text": TEXT}}, and what you like of {shown}')


def check_text(text: Any, limits: Limits) -> str:
    """Raises Refusal for what is no text, or too long."""
    if type(text) is not str:
        raise Refusal(HTTPStatus.BAD_REQUEST, "text must be a string")
    if len(text) > limits.characters:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a text has at most {limits.characters:,} characters")
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise Refusal(HTTPStatus.BAD_REQUEST, "the text holds half a surrogate pair, which is not a character")
    return text


def check_number(name: str, value: Any, least: float, most: float, *, whole: bool = True) -> Any:
    """Raises Refusal for what is no number from `least` to `most`."""
    if type(value) is not int and (whole or type(value) is not float):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{name} must be a {'whole ' if whole else ''}number")
    if not least <= value <= most:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{name} must be from {least} to {most}")
    return value
