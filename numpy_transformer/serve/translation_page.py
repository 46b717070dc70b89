"""The page that translates: translation.py makes its events."""

from dataclasses import asdict, replace
from typing import Any

from numpy_transformer.data.known_words import KnownWords
from numpy_transformer.errors import InputError
from numpy_transformer.serve.about import About
from numpy_transformer.serve.service import (
    USUAL_LIMITS,
    Limits,
    PageContent,
    Receiver,
    check_fields,
    check_number,
    check_text,
)
from numpy_transformer.serve.translation import translate_text
from numpy_transformer.translation.search_options import SearchOptions
from numpy_transformer.translation.translator import Translator


class TranslationPage(PageContent):
    """Translates texts with one translator.

    search: its beam is what the page begins with, and as many hypotheses are shown. known: the words of the model's
    training; others are marked. Raises InputError for a beam that is wider than the limits allow.
    """

    path, html, script = "/translate", "page.html", "page.js"

    def __init__(
        self,
        translator: Translator,
        *,
        search: SearchOptions,
        about: About,
        known: KnownWords | None = None,
        limits: Limits = USUAL_LIMITS,
    ) -> None:
        if search.beam > limits.beam:
            raise InputError(f"beam is {search.beam}; the page takes at most {limits.beam}")
        self._translator, self._search, self._known, self.limits = translator, search, known, limits
        self.about = {
            **asdict(about),
            "parameters": translator.model.parameters.flat.size,
            "knows": None if known is None else str(known),
            "beam": search.beam,
            "most": {"characters": limits.characters, "beam": limits.beam},
        }

    def check(self, question: Any) -> tuple[str, int]:
        """The text and the beam of {"text": ..., "beam": ...}."""
        check_fields(question, {"beam"})
        text = check_text(question["text"], self.limits)
        return text, check_number("beam", question.get("beam", self._search.beam), 1, self.limits.beam)

    def answer(self, asked: tuple[str, int], *, send: Receiver, show: Receiver) -> None:
        """Which words are unknown; then the translation."""
        text, beam = asked
        if self._known is not None:
            send({"kind": "unseen", "words": self._known.unknown(text)})
        translate_text(self._translator, text, replace(self._search, beam=beam, n_best=beam), send=send, show=show)
