"""A translator from sentences to trees parses English: it writes brackets and tags around the words."""

from collections.abc import Sequence

import numpy as np

import bpe
from numpy_transformer.data.batching import LONGEST_SOURCE, padded
from numpy_transformer.data.tree_tokens import TreeTokens
from numpy_transformer.data.trees import SyntaxTree
from numpy_transformer.decoding.beam import beam_search
from numpy_transformer.decoding.tree_rules import TreeRule
from numpy_transformer.errors import InputError
from numpy_transformer.models.transformer import Transformer

TOGETHER = 32  # sentences


class Parser:
    """A Transformer that learned trees, and its tokenizer. Raises InputError for a tokenizer without brackets."""

    def __init__(self, model: Transformer, tokenizer: bpe.Tokenizer) -> None:
        self.model = model
        self.tokens = TreeTokens(tokenizer)

    def check(self, words: Sequence[str], name: str) -> list[list[int]]:
        """The tokens of each word. Raises InputError, calling the sentence by its name, if it cannot be parsed."""
        pieces = self.tokens.pieces(words)
        count = sum(map(len, pieces))
        if not count:
            raise InputError(f"{name}: has no words: leave it out")
        if count > LONGEST_SOURCE:
            raise InputError(f"{name}: has {count:,} tokens; a parser takes {LONGEST_SOURCE:,} at most: split it")
        return pieces

    def parse(self, sentences: Sequence[Sequence[str]], *, beam: int = 4) -> list[SyntaxTree]:
        """The tree that the search finds over the words of each sentence: always over exactly these.

        All trees over a sentence have the same words, so their log-probabilities are compared as they are, without a
        length penalty. Raises InputError, naming the sentence by its number, for one without words and for one that is
        longer than the model takes.
        """
        if beam < 1:
            raise InputError(f"beam is {beam}; it must be at least 1")
        config = self.model.config
        encoded = [self.check(words, f"sentence {number}") for number, words in enumerate(sentences, start=1)]
        rows = [np.array([*(token for word in pieces for token in word), config.eos_id]) for pieces in encoded]
        order = sorted(range(len(rows)), key=lambda number: len(rows[number]))  # neighbours need about as many steps
        trees: dict[int, SyntaxTree] = {}
        for start in range(0, len(order), TOGETHER):
            part = order[start : start + TOGETHER]
            rule = TreeRule(self.tokens, [encoded[number] for number in part], eos_id=config.eos_id)
            found = beam_search(
                self.model,
                padded([rows[number] for number in part], config.pad_id),
                limits=np.array([rule.limit(place) for place in range(len(part))]),
                beam=beam,
                alpha=0.0,
                rules=[rule],
                pooled=rule.pooled,
            )
            for number, [best] in zip(part, found, strict=True):
                trees[number] = self.tokens.tree(best.ids, sentences[number])
        return [trees[number] for number in range(len(sentences))]
