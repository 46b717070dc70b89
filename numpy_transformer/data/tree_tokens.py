"""Trees as sequences of tokens, so that a translator can learn to parse (Vinyals et al. 2015).

Each bracket is one token together with its label, and each tag is one token:

    (S (NP (PRP I)) (VP (VBP sleep)))    is    (S (NP I /PRP )NP (VP sleep /VBP )VP )S

A word is written as the source writes it, in the same pieces, before its tag. Vinyals et al. left the words out, and
put XX for each. With the words there, the decoder always sees which word was the last, and finds the next one behind it
in the source; 40,000 sentences teach it to count instead, 3,000 do not. The search writes the words itself
(decoding/tree_rules.py), so they cannot be wrong.

The vocabulary is one for both sides: the pieces of the words are BPE tokens, the symbols are special tokens, which no
text can yield.
"""

from collections.abc import Iterable, Sequence

import bpe
from numpy_transformer.data.trees import SyntaxTree
from numpy_transformer.errors import InputError

OPEN, CLOSE, TAG = "(", ")", "/"


def symbols_of(trees: Iterable[SyntaxTree]) -> list[str]:
    """The tokens that are no words, in alphabetical order of kind and label."""
    labels: set[str] = set()
    tags: set[str] = set()
    for tree in trees:
        for node in tree.nodes():
            (labels if node.word is None else tags).add(node.label)
    kinds = ((OPEN, labels), (CLOSE, labels), (TAG, tags))
    return [kind + label for kind, those in kinds for label in sorted(those)]


def tokenizer_for_trees(trees: Sequence[SyntaxTree], vocabulary: int) -> bpe.Tokenizer:
    """BPE tokens for the words, and a special token for each symbol."""
    symbols = symbols_of(trees)
    least = 256 + len(bpe.DEFAULT_SPECIAL_TOKENS) + len(symbols)
    if vocabulary < least:
        raise InputError(
            f"--vocabulary is {vocabulary}; with the {len(symbols)} symbols of these trees it must be at least {least}"
        )
    words = (f" {word}" for tree in trees for word in tree.words)
    return bpe.train(words, vocabulary_size=vocabulary, special_tokens=(*bpe.DEFAULT_SPECIAL_TOKENS, *symbols))


def is_tokenizer_for_trees(tokenizer: bpe.Tokenizer) -> bool:
    """Whether it has the symbols of trees."""
    return any(name.startswith(OPEN) for name in tokenizer.special_tokens)


class TreeTokens:
    """A tokenizer's symbols, and trees turned into ids and back.

    word_ids: the ids of pieces of words.
    labels: by the id of an opening bracket, its label; `closing` gives the bracket that closes it; tags: by id.
    """

    def __init__(self, tokenizer: bpe.Tokenizer) -> None:
        """Raises InputError for a tokenizer without symbols."""
        if not is_tokenizer_for_trees(tokenizer):
            raise InputError("the tokenizer has no brackets: it is not that of a parser")
        self._tokenizer = tokenizer
        ids = self._ids = tokenizer.special_tokens
        self.labels = {number: name[1:] for name, number in ids.items() if name.startswith(OPEN)}
        self.tags = {number: name[1:] for name, number in ids.items() if name.startswith(TAG)}
        self.word_ids = sorted(tokenizer.text_vocabulary)
        self.closing = {number: ids[CLOSE + label] for number, label in self.labels.items()}

    def pieces(self, words: Sequence[str]) -> list[list[int]]:
        """The tokens of each word: the same wherever it stands."""
        return self._tokenizer.encode_batch([f" {word}" for word in words])

    def knows(self, tree: SyntaxTree) -> bool:
        """Whether there is a symbol for each of its labels and tags."""
        return all((OPEN if node.word is None else TAG) + node.label in self._ids for node in tree.nodes())

    def sequence(self, tree: SyntaxTree) -> list[int]:
        """The tree's ids, without bos and eos. Raises KeyError for a label or tag that it does not know."""
        if tree.word is not None:
            return [*self._tokenizer.encode(f" {tree.word}"), self._ids[TAG + tree.label]]
        inside = [token for child in tree.children for token in self.sequence(child)]
        return [self._ids[OPEN + tree.label], *inside, self._ids[CLOSE + tree.label]]

    def tree(self, ids: Sequence[int], words: Sequence[str]) -> SyntaxTree:
        """The inverse of `sequence`, for a sequence that the rules of tree_rules.py allow over these words."""
        waiting = iter(words)
        stack: list[tuple[str, list[SyntaxTree]]] = [("", [])]
        for token in ids:
            if token in self.labels:
                stack.append((self.labels[token], []))
            elif token in self.tags:
                stack[-1][1].append(SyntaxTree(self.tags[token], (), next(waiting)))
            elif token in self._closings:
                label, children = stack.pop()
                stack[-1][1].append(SyntaxTree(label, tuple(children)))
        [tree] = stack[0][1]
        return tree

    @property
    def _closings(self) -> set[int]:
        return set(self.closing.values())
