"""Count the pre-tokens of a corpus, as a stream: the first half of training.

Natural text repeats its words. So the words between spaces are counted first, and the pattern then splits only the
distinct ones, if it allows that (see pretokenizer.py).

Memory grows with the distinct pre-tokens, of which a text that goes on never stops to bring new ones. A bound drops the
rarest half whenever there are more (lossy counting, Manku and Motwani 2002). What is dropped may come back, and then
counts from there. So frequent pre-tokens, which the merges are learned from, keep their counts nearly; below the bound
every count is exact.
"""

from collections import Counter
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
    most_pretokens: int | None = None,
    progress: Progress | None = None,
) -> dict[bytes, int]:
    """Return how often each pre-token occurs, as UTF-8. Raises TokenizerError if `texts` holds no str.

    `most_pretokens` bounds how many distinct ones are held at a time; None: all of them.
    """
    if isinstance(texts, str):
        raise TokenizerError("training needs an iterable of texts, not one str; pass [text] or text.split('\\n')")
    if processes > 1:
        pieces = _count_in_processes(texts, pattern, protected_terms, processes, most_pretokens, progress)
    else:
        counter = PretokenCounter(pattern, protected_terms, most_pretokens)
        for number, text in enumerate(texts, 1):
            counter.add(text)
            if progress is not None and number % 8192 == 0:
                progress("counting texts", number, None)
        pieces = counter.result()
    counts: dict[bytes, int] = {}
    while pieces:  # one by one, so that memory holds each only once
        piece, count = pieces.popitem()
        counts[text_to_bytes(piece)] = count
    return counts


class PretokenCounter:
    """Counts pre-tokens of a stream of texts; `most` bounds how many distinct ones it holds."""

    def __init__(self, pattern: str, protected_terms: Sequence[str] = (), most: int | None = None) -> None:
        self._most = most
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
        self._pieces = frequent(self._pieces, self._most)

    def _count_words(self) -> None:
        self._first.update(self._first_words)
        self._later.update(self._later_words)
        self._first_words.clear()
        self._later_words.clear()
        if len(self._first) + len(self._later) > _DISTINCT:
            self._split_words()
            self._pieces = frequent(self._pieces, self._most)

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
        return frequent(self._pieces, self._most)


def frequent(counts: Counter[str], most: int | None) -> Counter[str]:
    """The same counts, or the larger half of `most` if there are more than that.

    >>> sorted(frequent(Counter("abracadabra"), 4))
    ['a', 'b']
    """
    if most is None or len(counts) <= most:
        return counts
    return Counter(dict(counts.most_common(max(1, most // 2))))


def _count_batch(batch: list[str], pattern: str, protected_terms: Sequence[str]) -> Counter[str]:
    counter = PretokenCounter(pattern, protected_terms)
    for text in batch:
        counter.add(text)
    return counter.result()


def _count_in_processes(
    texts: Iterable[str],
    pattern: str,
    terms: Sequence[str],
    processes: int,
    most: int | None,
    progress: Progress | None,
) -> Counter[str]:
    # Loaded only here: it would double the time that `import bpe` takes.
    from .workers import WorkerError, in_order, most_workers, worker_pool

    if processes > most_workers():
        raise TokenizerError(f"processes is {processes}; it must be at most {most_workers()} on this computer")
    pieces: Counter[str] = Counter()
    done = 0

    def calls() -> Iterator[tuple[list[str], str, Sequence[str]]]:
        nonlocal done
        for batch in _batches(texts):
            done += len(batch)
            yield batch, pattern, terms

    try:
        with worker_pool(processes) as pool:
            for counts in in_order(pool, _count_batch, calls()):
                pieces.update(counts)
                pieces = frequent(pieces, most)
                if progress is not None:
                    progress("counting texts", done, None)
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
