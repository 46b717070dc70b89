"""The page on which a language model goes on with a text, as these events:

waiting    ahead: how many requests are before this one
piece      text: what the model added
written    seconds: the text is complete; what follows shows the inside
attention  attention: what each token looked back at (seeing/view.py), null for a long text
done       the end
error      message: also the end, and why
"""

import time
from dataclasses import asdict
from typing import Any, NamedTuple

from numpy_transformer.decoding.token_by_token import Sampling
from numpy_transformer.errors import InputError
from numpy_transformer.seeing.view import view
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
from numpy_transformer.serve.translation import LONGEST_INSIDE
from numpy_transformer.tasks.completion import Completer

LARGEST_SEED = 2**53 - 1  # the largest whole number that JavaScript counts exactly
HIGHEST_TEMPERATURE = 2


class CompletionQuestion(NamedTuple):
    """What a request asks for."""

    prompt: str
    length: int  # tokens to add
    sampling: Sampling | None  # None: greedy


class CompletionPage(PageContent):
    """Goes on with texts, with one language model."""

    path, html, script = "/complete", "complete.html", "complete.js"

    def __init__(self, completer: Completer, *, about: About, limits: Limits = USUAL_LIMITS) -> None:
        self._completer, self.limits = completer, limits
        model = completer.model
        self.about = {
            **asdict(about),
            "parameters": model.parameters.flat.size,
            "context": model.config.context,
            "most": {"characters": limits.characters, "tokens": limits.tokens, "temperature": HIGHEST_TEMPERATURE},
        }

    def check(self, question: Any) -> CompletionQuestion:
        """{"text": ..., "length": ..., "temperature": ..., "seed": ...}; the temperature 0 is greedy."""
        check_fields(question, {"length", "temperature", "seed"})
        text = check_text(question["text"], self.limits)
        length = check_number("length", question.get("length", 100), 1, self.limits.tokens)
        temperature = question.get("temperature", 0.8)
        check_number("temperature", temperature, 0, HIGHEST_TEMPERATURE, whole=False)
        seed = check_number("seed", question.get("seed", 0), 0, LARGEST_SEED)
        sampling = Sampling(temperature=float(temperature), seed=seed) if temperature > 0 else None
        return CompletionQuestion(text, length, sampling)

    def answer(self, asked: CompletionQuestion, *, send: Receiver, show: Receiver) -> None:
        """Piece by piece; then the attention."""
        begin, added = time.monotonic(), ""
        for [piece] in self._completer.stream(asked.prompt, length=asked.length, sampling=asked.sampling):
            if piece:
                send({"kind": "piece", "text": piece})
                added += piece
        send({"kind": "written", "seconds": time.monotonic() - begin})
        send({"kind": "attention", "attention": self._inside(asked.prompt, added)})
        send({"kind": "done"})

    def _inside(self, prompt: str, added: str) -> Any:
        """The attention of a text that is short enough to look at; else None."""
        try:
            maps = self._completer.attention(prompt + added)
        except InputError:  # longer than the context
            return None
        return view(prompt, added, maps, None)["attention"] if len(maps.tokens) <= LONGEST_INSIDE else None
