"""Count the pre-tokens of a corpus, as a stream: the first half of training.

Natural text repeats its words. So the words between spaces are counted first, and the pattern then splits only the
distinct ones, if it allows that (see pretokenizer.py).
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from .errors import TokenizerError
from .pretokenizer import GPT2_PATTERN, PreTokenizer, text_to_bytes
from .terms import TermFinder

Progress = Callable[[str, int, int | None], None]
"""Called from time to time with the current activity, how many are done, and of how many (None: unknown)."""

_BATCH = 1 << 16  # words collected before they are counted
_SHARE = 1 << 22  # characters passed to a process at a time
_DISTINCT = 1 << 19  # distinct words collected before they are split; bounds memory for scripts without spaces


def count_pretokens(
    texts: Iterable[str],
    pattern: str = GPT2_PATTERN,
    protected_terms: Sequence[str] = (),
    *,
    processes: int = 1,
    progress: Progress | None = None,
) -> dict[bytes, int]:
    """Return how often each pre-token occurs, as UTF-8. Raises TokenizerError if `texts` holds no str."""
    if isinstance(texts, str):
        raise TokenizerError("training needs an iterable of texts, not one str; pass [text] or text.split('\\n')")
    if processes > 1:
        pieces = _count_in_processes(texts, pattern, protected_terms, processes, progress)
    else:
        counter = PretokenCounter(pattern, protected_terms)
        for number, text in enumerate(texts, 1):
            counter.add(text)
            if progress is not None and number % 8192 == 0:
                progress("counting texts", number, None)
        pieces = counter.result()
    return {text_to_bytes(piece): count for piece, count in pieces.items()}


class PretokenCounter:
    """Counts pre-tokens of a stream of texts."""

    def __init__(self, pattern: str, protected_terms: Sequence[str] = ()) -> None:
        self._pretokenizer = PreTokenizer(pattern)
        self._terms = TermFinder(protected_terms)
        # Words at the start of a text, and words with a space before them: first all of them, then their counts.
        self._first_words: list[str] = []
        self._later_words: list[str] = []
        self._first: Counter[str] = Counter()
        self._later: Counter[str] = Counter()
        self._pieces: Counter[str] = Counter()

    def add(self, text: str) -> None:
        """Count the pre-tokens of one text."""
        if not isinstance(text, str):
            raise TokenizerError(f"training needs texts of type str, not {type(text).__name__}")
        if not self._terms:
            self._add_segment(text)
            return
        for segment, is_term in self._terms.split(text):
            if not is_term:
                self._add_segment(segment)

    def _add_segment(self, text: str) -> None:
        if self._pretokenizer.cuts_at_single_spaces:
            words = text.split()
            if " ".join(words) == text:  # single spaces only, and none at either end
                self._first_words += words[:1]
                self._later_words += words[1:]
                if len(self._later_words) + len(self._first_words) > _BATCH:
                    self._count_words()
                return
        self._pieces.update(self._pretokenizer.split(text))

    def _count_words(self) -> None:
        self._first.update(self._first_words)
        self._later.update(self._later_words)
        self._first_words.clear()
        self._later_words.clear()
        if len(self._first) + len(self._later) > _DISTINCT:
            self._split_words()

    def _split_words(self) -> None:
        pieces, split = self._pieces, self._pretokenizer.split
        for space, words in (("", self._first), (" ", self._later)):
            for word, count in words.items():
                for piece in split(space + word):
                    pieces[piece] += count
            words.clear()

    def result(self) -> Counter[str]:
        """Return how often each pre-token occurred."""
        self._count_words()
        self._split_words()
        return self._pieces


def _count_batch(batch: list[str], pattern: str, protected_terms: Sequence[str]) -> Counter[str]:
    counter = PretokenCounter(pattern, protected_terms)
    for text in batch:
        counter.add(text)
    return counter.result()


def _count_in_processes(
    texts: Iterable[str], pattern: str, terms: Sequence[str], processes: int, progress: Progress | None
) -> Counter[str]:
    # Loaded only here: it would double the time that `import bpe` takes.
    from .workers import Task, WorkerError, most_workers, worker_pool

    if processes > most_workers():
        raise TokenizerError(f"processes is {processes}; it must be at most {most_workers()} on this computer")
    pieces: Counter[str] = Counter()
    running: deque[Task] = deque()
    done = 0
    try:
        with worker_pool(processes) as pool:
            for batch in _batches(texts):
                running.append(pool.submit(_count_batch, batch, pattern, terms))
                if len(running) > 2 * processes:  # so that the stream is not read faster than it is counted
                    pieces.update(running.popleft().result())
                done += len(batch)
                if progress is not None:
                    progress("counting texts", done, None)
            for task in running:
                pieces.update(task.result())
    except WorkerError:
        raise TokenizerError("a counting process was ended, perhaps for want of memory: use fewer processes") from None
    return pieces


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if characters >= _SHARE:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch
