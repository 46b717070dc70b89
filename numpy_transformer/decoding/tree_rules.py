"""The rule under which beam search writes nothing but trees over given words.

A tree's sequence (data/tree_tokens.py) is written by four moves. After each beginning of a sequence, only some of them
lead to a tree, and all others are forbidden:

    open a bracket   while words are left, fewer than MOST_OPENED brackets have been opened since the last word, and
                     fewer than DEEPEST are open
    write a word     its next piece, or, behind its last piece, a tag; a word needs an open bracket, and the last words
                     must be written before the outermost bracket closes
    close            the innermost bracket, if something is in it
    end              when the outermost bracket has closed

The words are given, so the question is less which word comes next than whether one does. A word has a log-probability
that is a part SHARE that of all words together, and the rest its own (`TreeRule.pooled`). With its own alone, a model
that has lost its place in the sentence opens one bracket after the other rather than write the right word; with that of
all words alone, nothing tells the search that a hypothesis has lost its place. SHARE was chosen on validation trees
(docs/parsing.md).

Every beginning that is allowed can be completed, so the search never gets stuck. The bound on brackets that open in a
row keeps a badly trained model from opening brackets for ever: in the Penn Treebank 8 suffice, and a sentence of n
words has at most 8n brackets.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.tree_tokens import TreeTokens
from numpy_transformer.data.trees import DEEPEST
from numpy_transformer.decoding.rules import Hypotheses, Pooled

MOST_OPENED = 8
SHARE = 0.7


class TreePrefix(NamedTuple):
    """How far the beginning of a sequence has come."""

    stack: tuple[int, ...] = ()  # the opening brackets that are not closed, as ids
    word: int = 0  # the next one, or the one that is being written
    piece: int = 0  # how many of its pieces are written
    opened: int = 0  # brackets in a row at the end
    ended: bool = False  # the outermost bracket has closed


class TreeRule:
    """For each sentence of a search, the tokens that may continue a tree over its words."""

    def __init__(self, tokens: TreeTokens, sentences: Sequence[Sequence[Sequence[int]]], *, eos_id: int) -> None:
        """`sentences` are the pieces of each sentence's words, as ids."""
        self._tokens, self._sentences, self._eos_id = tokens, sentences, eos_id
        self._opening, self._tags = list(tokens.labels), list(tokens.tags)
        self.pooled = Pooled(np.array(tokens.word_ids), SHARE)  # for beam_search
        self._known: dict[tuple[int, tuple[int, ...]], TreePrefix] = {}  # the beginnings of the last step

    def limit(self, sentence: int) -> int:
        """The most tokens that a tree over these words can have."""
        words = self._sentences[sentence]
        return sum(map(len, words)) + len(words) * (1 + 2 * MOST_OPENED)

    def forbid(self, hypotheses: Hypotheses, forbidden: Array) -> None:
        known: dict[tuple[int, tuple[int, ...]], TreePrefix] = {}
        for row, paths in enumerate(hypotheses.paths()):
            sentence = int(hypotheses.sentence[row])
            for column, path in enumerate(paths):
                ids = tuple(path)
                known[sentence, ids] = written = self._written(sentence, ids)
                forbidden[row, column] = True
                forbidden[row, column, self.allowed(sentence, written)] = False
        self._known = known

    def holds(self, ids: Sequence[int]) -> bool:
        """Whether they are a whole tree over the words of one of the sentences."""
        return any(self._is_tree(sentence, ids) for sentence in range(len(self._sentences)))

    def allowed(self, sentence: int, written: TreePrefix) -> list[int]:
        """The tokens that may come next."""
        words = self._sentences[sentence]
        if written.ended:
            return [self._eos_id]
        if written.piece:
            word = words[written.word]
            return [word[written.piece]] if written.piece < len(word) else self._tags
        left = written.word < len(words)
        moves: list[int] = []
        if left and written.opened < MOST_OPENED and len(written.stack) < DEEPEST - 1:  # one is for the tag
            moves += self._opening
        if left and written.stack:
            moves.append(words[written.word][0])
        if written.stack and not written.opened and not (left and len(written.stack) == 1):
            moves.append(self._tokens.closing[written.stack[-1]])
        return moves

    def _written(self, sentence: int, ids: tuple[int, ...]) -> TreePrefix:
        """What a beginning amounts to: one token more than what the last step knew."""
        if not ids:
            return TreePrefix()
        parent = self._known.get((sentence, ids[:-1]))
        return self._after(sentence, self._written(sentence, ids[:-1]) if parent is None else parent, ids[-1])

    def _after(self, sentence: int, written: TreePrefix, token: int) -> TreePrefix:
        """One token later. A token that is not allowed, of a hypothesis that is no longer live, changes nothing."""
        if token not in self.allowed(sentence, written):
            return written
        if token in self._tokens.labels:
            return written._replace(stack=(*written.stack, token), opened=written.opened + 1)
        if token in self._tokens.tags:
            return written._replace(word=written.word + 1, piece=0)
        if written.stack and token == self._tokens.closing[written.stack[-1]] and not written.piece:
            stack = written.stack[:-1]
            return written._replace(stack=stack, ended=not stack)
        if token == self._eos_id:
            return written
        return written._replace(piece=written.piece + 1, opened=0)

    def _is_tree(self, sentence: int, ids: Sequence[int]) -> bool:
        written = TreePrefix()
        for token in ids:
            if token not in self.allowed(sentence, written):
                return False
            written = self._after(sentence, written, token)
        return written.ended
