"""From sentence pairs to ids, for training and evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from numpy_transformer.data.batching import EncodedText
from numpy_transformer.data.files import ParallelText
from numpy_transformer.data.known_words import KnownWords
from numpy_transformer.models.config import TransformerConfig


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
    sources, targets = source.encode_batch(text.sources), target.encode_batch(text.targets)
    kept = [i for i in range(len(text)) if max(len(sources[i]), len(targets[i])) <= max_length]
    return PreparedText(
        ParallelText([text.sources[i] for i in kept], [text.targets[i] for i in kept]),
        EncodedText.from_ids([sources[i] for i in kept], [targets[i] for i in kept], config),
        len(text) - len(kept),
    )
