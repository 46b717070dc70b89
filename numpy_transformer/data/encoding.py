"""From sentence pairs to ids, for training and evaluation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Protocol

import numpy as np

from numpy_transformer.data.batching import EncodedText
from numpy_transformer.data.files import ParallelText
from numpy_transformer.data.known_words import KnownWords
from numpy_transformer.models.config import TransformerConfig

AT_ONCE = 256  # sentences. More lists of ids would make the garbage collector look at all of them again and again


class SentenceEncoder(Protocol):
    """The part of a tokenizer that preparing a text needs."""

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text."""


@dataclass(frozen=True)
class PreparedText:
    """The same pairs as text and as ids; `dropped` counts those that were too long."""

    text: ParallelText
    ids: EncodedText
    dropped: int

    def __len__(self) -> int:
        return len(self.text)

    def known_words(self) -> KnownWords:
        """The words of the sources."""
        return KnownWords.of(self.text.sources)


def prepare_text(
    text: ParallelText, source: SentenceEncoder, target: SentenceEncoder, config: TransformerConfig, max_length: int
) -> PreparedText:
    """Encode the pairs with at most `max_length` tokens on either side, not counting bos and eos.

    `source` and `target` encode the two sides: one and the same tokenizer, but for imported models.
    """
    ids = EncodedText.from_ids(_encoded(source, text.sources), _encoded(target, text.targets), config)
    kept = np.maximum(*ids.lengths) <= max_length + 1  # with eos
    if kept.all():
        return PreparedText(text, ids, 0)
    return PreparedText(
        ParallelText(list(compress(text.sources, kept)), list(compress(text.targets, kept))),
        EncodedText(ids.sources.only(kept), ids.targets.only(kept)),
        len(text) - int(np.count_nonzero(kept)),
    )


def _encoded(encoder: SentenceEncoder, texts: Sequence[str]) -> Iterator[list[int]]:
    for start in range(0, len(texts), AT_ONCE):
        yield from encoder.encode_batch(texts[start : start + AT_ONCE])
