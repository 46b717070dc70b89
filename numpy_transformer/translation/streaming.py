"""Translating any number of lines in constant memory: an iterator of lines in, an iterator of translations out.

Lines are read in windows of a few thousand. Within a window the translator sorts by length, so that a batch holds
sentences of similar length; the output is in the order of the lines. A translation depends on its line alone, so
neither the window nor the number of workers affects it.

Each worker is a process with its own batches. A window is cut into chunks of similar length, longest first, which the
workers take in turn; while the last chunks of a window are translated, the next window has begun.

A line with more tokens than the model takes is translated in parts; `Translated.parts` counts them.
"""

import functools
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from numpy_transformer.data.batching import LONGEST_SOURCE
from numpy_transformer.data.clean_text import clean_text
from numpy_transformer.decoding.alignment import Alignment
from numpy_transformer.decoding.scoring import Done
from numpy_transformer.errors import InputError
from numpy_transformer.translation.hypothesis import Hypothesis
from numpy_transformer.translation.search_options import SearchOptions
from numpy_transformer.translation.sentences import cut, split_sentences
from numpy_transformer.translation.text_errors import TextError
from numpy_transformer.translation.translator import Translator

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from bpe.workers import WorkerPool

# Large enough to sort by length, small enough for constant memory.
WINDOW_LINES = 2048
WINDOW_CHARACTERS = 1 << 20
LONGEST_PART = 256  # tokens; models learn from sentences of at most about that length
LONG_WORD = 32  # characters
CHUNKS_PER_WORKER = 8  # of a window: few enough for full batches, enough to keep every worker busy to its end

# Called with lines that are done, and how many texts are under way.
LinesDone = Callable[[list[str], int], None]


@dataclass(frozen=True)
class Translated:
    """A line and its translations, best first."""

    source: str
    hypotheses: list[Hypothesis]
    parts: int  # how many parts it was translated in; 1 for a sentence, 0 for a blank line


class _Window:
    """Some lines, and the different texts that they are translated as.

    Line i has `parts[i]` texts, one after the other, and `which` says of each of them which one of `texts` it is. What
    occurs again, a sentence of a corpus or the thousandth part of an endless word, is translated once.
    """

    def __init__(self, lines: list[str], before: int, translator: Translator, sentences: bool) -> None:
        self.lines = lines
        self.before = before  # lines in earlier windows
        parts = [line_parts(line, translator, sentences=sentences) for line in lines]
        self.parts = [len(texts) for texts in parts]
        places: dict[str, int] = {}
        self.which = [places.setdefault(text, len(places)) for texts in parts for text in texts]
        self.texts = list(places)
        self._left = self.parts.copy()  # texts of each line that are not translated yet
        self._lines_of_texts: list[list[int]] = [[] for _ in self.texts]  # a line as often as it has the text
        lines_of_parts = (line for line, count in enumerate(self.parts) for _ in range(count))
        for text, line_number in zip(self.which, lines_of_parts, strict=True):
            self._lines_of_texts[text].append(line_number)

    def line_of(self, text: int) -> int:
        """The number, from 1, of the first line that texts[text] belongs to."""
        return self.before + 1 + self._lines_of_texts[text][0]

    def blank_lines(self) -> list[str]:
        """Those without any text."""
        return [line for line, count in zip(self.lines, self.parts, strict=True) if not count]

    def finished_by(self, texts: Iterable[int]) -> list[str]:
        """The lines that are whole now that these of their texts are translated, too."""
        lines = []
        for line in itertools.chain.from_iterable(self._lines_of_texts[text] for text in texts):
            self._left[line] -= 1
            if not self._left[line]:
                lines.append(self.lines[line])
        return lines

    def located(self, indices: Sequence[int], result: Callable[[], list[list[Hypothesis]]]) -> Any:
        """result(), the hypotheses of some of the texts; a TextError gets the number of the line at fault."""
        try:
            return result()
        except TextError as error:
            raise TextError(self.line_of(indices[error.number - 1]), error.reason) from None

    def join(self, found: Sequence[list[Hypothesis]]) -> Iterator[Translated]:
        """The lines' translations, from those of the texts."""
        start = 0
        for line, count in zip(self.lines, self.parts, strict=True):
            parts = self.which[start : start + count]
            yield Translated(line, _joined(line, [self.texts[i] for i in parts], [found[i] for i in parts]), count)
            start += count


def translate_lines(
    translator: Translator,
    lines: Iterable[str],
    *,
    search: SearchOptions,
    workers: int = 1,
    sentences: bool = False,
    window_lines: int = WINDOW_LINES,
    alignments: bool = False,
    done: LinesDone | None = None,
) -> Iterator[Translated]:
    """Translate each line, in order, as Translator.search does.

    sentences: split every line into sentences, not only those that are too long.
    window_lines: how many lines are read before any is translated; 1 answers each line before the next is read.
    alignments: align the words of each line with those of its best translation.
    done: called with lines as soon as they are translated, in any order and before they are yielded, and how many
        texts are under way.

    BLAS should use one thread when there are several workers. Raises TextError, with the line's number from 1, for a
    line that cannot be translated as `search` asks.
    """
    windows = _cut_windows(lines, window_lines, translator, sentences)
    tell = done or (lambda lines, live: None)
    if workers == 1:
        for window in windows:
            tell(window.blank_lines(), 0)
            told = _telling(window, tell)
            find = functools.partial(_found, translator, window.texts, search, alignments, told)
            yield from window.join(window.located(range(len(window.texts)), find))
        return

    from bpe.workers import WorkerError  # rarely needed: a single sentence should not wait for it

    started: deque[Iterator[Translated]] = deque()

    def start(window: _Window, pool: "WorkerPool | ThreadPoolExecutor") -> Iterator[Translated]:
        by_length = sorted(range(len(window.texts)), key=lambda i: -len(window.texts[i]))
        size = max(1, -(-len(by_length) // (workers * CHUNKS_PER_WORKER)))
        chunks = [by_length[first : first + size] for first in range(0, len(by_length), size)]
        tasks = [pool.submit(_translate, [window.texts[i] for i in chunk], search, alignments) for chunk in chunks]

        def finish() -> Iterator[Translated]:
            tell(window.blank_lines(), 0)
            found: list[Any] = [None] * len(window.texts)
            for chunk, task in zip(chunks, tasks, strict=True):
                for i, hypotheses in zip(chunk, window.located(chunk, task.result), strict=True):
                    found[i] = hypotheses
                under_way = min(workers, sum(not one.done() for one in tasks))
                tell(window.finished_by(chunk), size * under_way)
            yield from window.join(found)

        return finish()

    try:
        with _workers(translator, workers) as pool:
            for window in windows:
                started.append(start(window, pool))
                if len(started) > (window_lines > 1):
                    yield from started.popleft()
            while started:
                yield from started.popleft()
    except WorkerError:
        raise InputError("a worker process was ended, perhaps for want of memory: use fewer --workers") from None


def _telling(window: _Window, tell: LinesDone) -> Done:
    """Tell of a window's lines when its texts are done."""
    return lambda texts, live: tell(window.finished_by(texts), live)


_worker = threading.local()  # in a worker, a process or a thread: .translator


def _workers(translator: Translator, count: int) -> "AbstractContextManager[WorkerPool | ThreadPoolExecutor]":
    """Processes that inherit the translator: the many small operations of a decoding step would make threads wait for
    the interpreter lock. Threads where a process cannot inherit it: on a GPU, and on systems without fork.
    """
    import multiprocessing  # rarely needed: a single sentence should not wait for them

    from bpe.workers import worker_pool

    translator.pack()
    on_host = isinstance(translator.model.parameters.flat, np.ndarray)
    if on_host and "fork" in multiprocessing.get_all_start_methods():
        return worker_pool(count, method="fork", begin=_begin, arguments=(translator,))
    return _threads(translator, count)


@contextmanager
def _threads(translator: Translator, count: int) -> Iterator["ThreadPoolExecutor"]:
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(count, initializer=_begin, initargs=(translator,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(translator: Translator) -> None:
    _worker.translator = translator


def _translate(texts: list[str], search: SearchOptions, alignments: bool) -> list[list[Hypothesis]]:
    return _found(_worker.translator, texts, search, alignments)


def _found(
    translator: Translator, texts: list[str], search: SearchOptions, alignments: bool, done: Done | None = None
) -> list[list[Hypothesis]]:
    found = translator.search(texts, search, done=done)
    if not alignments:
        return found
    links = translator.align(texts, [best.ids for best, *_ in found])
    return [
        [replace(best, alignment=alignment), *others] for (best, *others), alignment in zip(found, links, strict=True)
    ]


def read_windows(lines: Iterable[str], window_lines: int) -> Iterator[list[str]]:
    """The lines, a few thousand at a time."""
    window: list[str] = []
    characters = 0
    for line in lines:
        window.append(line)
        characters += len(line)
        if len(window) == window_lines or characters >= WINDOW_CHARACTERS:
            yield window
            window, characters = [], 0
    if window:
        yield window


def _cut_windows(lines: Iterable[str], window_lines: int, translator: Translator, sentences: bool) -> Iterator[_Window]:
    before = 0
    for some in read_windows(lines, window_lines):
        yield _Window(some, before, translator, sentences)
        before += len(some)


def line_parts(line: str, translator: Translator, *, sentences: bool) -> list[str]:
    """The texts that a line is translated as: itself, its sentences where wanted or needed; none for a blank line."""
    line = clean_text(line)
    if not line:
        return []
    if not sentences and _tokens_at_most(line, LONGEST_SOURCE, translator):
        return [line]
    return [
        part
        for sentence in split_sentences(line)
        for part in cut(sentence, lambda text: _tokens_at_most(text, LONGEST_PART, translator))
    ]


def _tokens_at_most(text: str, count: int, translator: Translator) -> bool:
    # Most texts need not be counted: no token is shorter than a byte, hardly any longer than a long word.
    if 4 * len(text) <= count:
        return True
    return len(text) <= LONG_WORD * count and len(translator.tokenizer.encode(text)) <= count


def _joined(line: str, parts: list[str], found: Sequence[list[Hypothesis]]) -> list[Hypothesis]:
    """One list of hypotheses for a line in parts: the best of all parts side by side, the second best, and so on.

    A part with fewer hypotheses repeats its last. Log-probabilities and scores are summed; alignments count the words
    of the whole line.
    """
    if len(found) == 1:
        return found[0]
    ranks = max((len(part) for part in found), default=1)
    joined = []
    for rank in range(ranks):
        chosen = [part[min(rank, len(part) - 1)] for part in found]
        joined.append(
            Hypothesis(
                " ".join(one.text for one in chosen),
                [token for one in chosen for token in one.ids],
                sum((one.log_probability for one in chosen), start=0.0),
                sum((one.score for one in chosen), start=0.0),
                _joined_alignment(line, parts, chosen),
            )
        )
    return joined


def _joined_alignment(line: str, parts: list[str], chosen: Sequence[Hypothesis]) -> Alignment:
    line = clean_text(line)
    links: list[tuple[int, int]] = []
    end = source_words = target_words = 0  # of what lies before a part
    for part, hypothesis in zip(parts, chosen, strict=True):
        start = line.index(part, end)
        if 0 < start == end:  # the line was cut within a word
            source_words -= 1
        links += [(i + source_words, j + target_words) for i, j in hypothesis.alignment]
        end = start + len(part)
        source_words += len(part.split())
        target_words += len(hypothesis.text.split())
    return tuple(links)
