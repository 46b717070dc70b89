"""Sentence pairs that every epoch cuts into tokens anew: BPE-dropout (Provilkov et al. 2020) in training.

Each merge that BPE would do is left out with probability P (bpe/merging.py), on both sides. So a model sees a word as
one token in most epochs and in pieces in others, and learns what the pieces mean. P = 0 is plain BPE, and in the paper
0.1 is best. Texts to translate are cut without dropout.

The tokens of an epoch are a function of (seed, epoch), and so are its batches: a resumed run sees the same ones. Every
epoch sorts its pairs by their new lengths and cuts them into batches of the same numbers of pairs, those that bound the
batches of the first epoch. So each epoch has equally many batches, and `start` is found without cutting the words of
the epochs before it.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

import numpy as np

from bpe import Tokenizer
from numpy_transformer.data.batching import Batch, EncodedText, epoch_batches
from numpy_transformer.data.files import ParallelText
from numpy_transformer.models.config import TransformerConfig


class DrawnPairs:
    """Training pairs for one run. A pair that a draw makes longer than `max_length` tokens keeps its plain tokens."""

    def __init__(
        self,
        text: ParallelText,
        tokenizer: Tokenizer,
        config: TransformerConfig,
        *,
        dropout: float,
        batch_tokens: int,
        max_length: int,
        seed: int,
    ) -> None:
        """`dropout` is the probability P; no pair has more than `max_length` tokens without it."""
        self._text, self._tokenizer, self._config = text, tokenizer, config
        self._dropout, self._max_length, self._seed = dropout, max_length, seed
        self.first = self.encoded(0)  # in the tokens of the first epoch
        self._ends = np.cumsum([len(indices) for indices in epoch_batches(self.first, batch_tokens, seed=None)])

    def encoded(self, epoch: int) -> EncodedText:
        """The pairs in the tokens of one epoch."""
        text = self._text
        seeds = np.random.SeedSequence((self._seed, epoch)).generate_state(2, np.uint64).tolist()
        sides = zip((text.sources, text.targets), seeds, strict=True)
        sources, targets = (
            self._tokenizer.encode_batch(side, dropout=self._dropout, seed=seed) for side, seed in sides
        )
        for i, lengths in enumerate(zip(map(len, sources), map(len, targets), strict=True)):
            if max(lengths) > self._max_length:
                sources[i], targets[i] = map(self._tokenizer.encode, (text.sources[i], text.targets[i]))
        return EncodedText.from_ids(sources, targets, self._config)

    def batches(self, start: int) -> Iterator[tuple[int, Batch]]:
        """(epoch, batch) without end, skipping the first `start`."""
        first, start = divmod(start, len(self._ends))
        for epoch in count(first):
            for make in self._shuffled(epoch)[start:]:
                yield epoch, make()
            start = 0

    def _shuffled(self, epoch: int) -> list[Callable[[], Batch]]:
        """What makes each batch of one epoch."""
        text = self.encoded(epoch) if epoch else self.first
        source_lengths, target_lengths = text.lengths
        rng = np.random.default_rng((self._seed, epoch))
        order = np.lexsort((rng.permutation(len(text)), source_lengths, target_lengths))
        parts = np.split(order, self._ends[:-1])
        rng.shuffle(parts)
        return [partial(text.batch, indices, self._config.pad_id) for indices in parts]
