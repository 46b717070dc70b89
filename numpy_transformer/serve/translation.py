"""Turn a text into events: a sequence of plain dictionaries that the page shows as they come.

    waiting     ahead: how many requests are before this one
    unseen      words: where the words are that the model has never seen, each [start, end], in characters of the text
    begin       sentences: the parts of the text that are translated separately, each [text, number of its line]
    draft       sentence, drafts: the hypotheses after a step, the best first, each [text, score, finished]
    found       sentence, hypotheses: the n best, each [text, score, log-probability]
    translated  seconds: the whole text is translated; what follows shows the inside
    search      sentence, search: how the translation was found (seeing/view.py)
    attention   sentence, rank, attention: where the model looked when it wrote this hypothesis (seeing/view.py)
    done        the end
    error       message: also the end, and why

Each draft event has the whole state of the search, so that a slow reader may miss some.
"""

import dataclasses
import time
from collections.abc import Callable

from numpy_transformer.decoding.live import Draft, LiveRecorder
from numpy_transformer.errors import InputError
from numpy_transformer.seeing.story import tell
from numpy_transformer.seeing.view import view
from numpy_transformer.serve.service import Receiver
from numpy_transformer.translation.hypothesis import Hypothesis
from numpy_transformer.translation.search_options import SearchOptions
from numpy_transformer.translation.streaming import line_parts
from numpy_transformer.translation.text_errors import TextError
from numpy_transformer.translation.translator import Translator

LONGEST_INSIDE = 100  # largest number of tokens on a side for which the inside is shown: it grows with their square


def translate_text(translator: Translator, text: str, search: SearchOptions, *, send: Receiver, show: Receiver) -> None:
    """Translate a text of any number of lines and sentences, and tell of it event by event.

    `send` gets what must arrive, `show` what may be left out; what either raises ends the work at once and comes out
    of it. Raises InputError for what cannot be translated.
    """
    begin = time.monotonic()
    lines = enumerate(text.split("\n"))  # as in files: no other character ends a line
    parts = [(part, number) for number, line in lines for part in line_parts(line, translator, sentences=True)]
    send({"kind": "begin", "sentences": parts})
    constraints = search.constraints
    if len(parts) > 1 and constraints is not None and (constraints.prefix or constraints.required):
        raise InputError("--prefix and --require are for one sentence: this text has several")
    results = []
    for number, (part, _) in enumerate(parts):
        recorder = LiveRecorder(_drafts_shown(translator, number, show))
        try:
            [found] = translator.search([part], search, recorder=recorder)
        except TextError as error:
            raise InputError(f"sentence {number + 1} {error.reason}") from None
        rows = [[one.text, one.score, one.log_probability] for one in found]
        send({"kind": "found", "sentence": number, "hypotheses": rows})
        results.append((part, found, recorder))
    send({"kind": "translated", "seconds": time.monotonic() - begin})
    for number, (part, found, recorder) in enumerate(results):
        _send_inside(translator, number, part, found, recorder, search, send)
    send({"kind": "done"})


def _drafts_shown(translator: Translator, number: int, show: Receiver) -> Callable[[list[Draft]], None]:
    def show_drafts(drafts: list[Draft]) -> None:
        rows = [[_draft_text(translator, draft), draft.score, draft.finished] for draft in drafts]
        show({"kind": "draft", "sentence": number, "drafts": rows})

    return show_drafts


def _send_inside(
    translator: Translator,
    number: int,
    source: str,
    found: list[Hypothesis],
    recorder: LiveRecorder,
    search: SearchOptions,
    send: Receiver,
) -> None:
    """The search and the attention of a sentence, None if they would be too large."""
    inside = {"sentence": number}
    tokens = max(len(translator.tokenizer.encode(source)), *(len(one.ids) for one in found))
    if tokens > LONGEST_INSIDE:
        send({"kind": "search", **inside, "search": None})
        return
    story = tell(recorder, translator.tokenizer, alpha=search.alpha, n_best=search.n_best)
    send({"kind": "search", **inside, "search": dataclasses.asdict(story)})
    for rank, hypothesis in enumerate(found):
        maps = translator.attention(source, hypothesis.ids)
        attention = view(source, hypothesis.text, maps, None)["attention"]
        send({"kind": "attention", **inside, "rank": rank, "attention": attention})


def _draft_text(translator: Translator, draft: Draft) -> str:
    """The text so far, without a character that is still incomplete."""
    text = translator.tokenizer.decode(draft.ids)
    return text if draft.finished else text.rstrip("\N{REPLACEMENT CHARACTER}")
