"""The words a model has seen: every word of the source sentences it learned from.

    words.txt, in the run's folder: one word per line, sorted, as `word_key` writes it

A tokenizer that knows all bytes refuses no text, so a model answers for words it has never seen; and what it answers
is a guess. With this list a program can say how much a model knows, and mark what it cannot know.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import regex

from numpy_transformer.data.clean_text import composed
from numpy_transformer.data.files import read_lines
from numpy_transformer.storage.text_files import write_text

# Unicode's word boundaries (UAX 29): "don't" is one word, "e-mail" is two, and each character of 日本 is one.
WORD = regex.compile(r"\b\w.*?\b", regex.WORD)

# A model that knows fewer is for study: real texts are full of words that it has never seen. Forms count apart.
WORDS_OF_A_LANGUAGE = 50_000


def word_spans(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each word in `text`, in characters. Marks and white space belong to no word.

    >>> list(word_spans("The dog's here."))
    [(0, 3), (4, 9), (10, 14)]
    """
    return (match.span() for match in WORD.finditer(text))


def word_key(word: str) -> str:
    """One spelling for a word in small or capital letters, with composed or decomposed accents."""
    return composed(word.casefold())


class KnownWords:
    """The distinct words of some sentences: `len` counts them, `unknown` finds the others in a text."""

    def __init__(self, words: Iterable[str]) -> None:
        self._keys = frozenset(map(word_key, words))

    @classmethod
    def of(cls, sentences: Iterable[str]) -> "KnownWords":
        """The words that stand in `sentences`."""
        parts = {part for sentence in sentences for part in sentence.split()}  # each distinct one is cut only once
        return cls(part[start:end] for part in parts for start, end in word_spans(part))

    @classmethod
    def load(cls, path: Path) -> "KnownWords | None":
        """The words that `save` wrote; None if there is no such file, as in the folder of an older run.

        Raises InputError naming the file if it cannot be read.
        """
        return cls(read_lines(path)) if path.exists() else None

    def save(self, path: Path) -> None:
        """Write the words to a text file, replaced in one piece."""
        write_text(path, "".join(f"{key}\n" for key in sorted(self._keys)))

    @property
    def keys(self) -> frozenset[str]:
        """The words, as `word_key` writes them."""
        return self._keys

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, word: str) -> bool:
        return word_key(word) in self._keys

    def __str__(self) -> str:
        """How much a model with these words knows.

        >>> print(KnownWords.of(["The cat sleeps."]))
        3 words; a model for study
        """
        size = f"{len(self):,} {'word' if len(self) == 1 else 'words'}"
        return size if len(self) >= WORDS_OF_A_LANGUAGE else f"{size}; a model for study"

    def unknown(self, text: str) -> list[tuple[int, int]]:
        """(start, end) of each word in `text` that is not among these, in characters and in order.

        >>> KnownWords.of(["The cat sleeps."]).unknown("the dog sleeps")
        [(4, 7)]
        """
        return [(start, end) for start, end in word_spans(text) if text[start:end] not in self]
