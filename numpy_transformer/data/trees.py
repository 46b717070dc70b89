"""Phrase-structure trees, and the brackets in which they are written (Marcus et al. 1993, the Penn Treebank).

    (S (NP (DT The) (NN dog)) (VP (VBZ sees) (NP (DT the) (NN cat))) (. .))

is a sentence S of a noun phrase NP and a verb phrase VP. A node just above a word, such as (DT The), has no other
child: its label is the word's part of speech, its tag.

>>> tree = parse_tree("(S (NP (PRP I)) (VP (VBP sleep)))")
>>> tree.words, tree.tags
(['I', 'sleep'], ['PRP', 'VBP'])
>>> print(tree)
(S (NP (PRP I)) (VP (VBP sleep)))
>>> print(tree.indented())
(S
  (NP (PRP I))
  (VP (VBP sleep)))
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import regex

from numpy_transformer.errors import InputError

PIECE = regex.compile(r"[()]|[^\s()]+")
DEEPEST = 100  # brackets within each other; real sentences stay below 40


class SyntaxTree(NamedTuple):
    """A node. Either it has children, or it is a tag above its `word`."""

    label: str
    children: tuple["SyntaxTree", ...] = ()
    word: str | None = None

    def __str__(self) -> str:
        """The brackets, on one line."""
        return f"({self.label} {self.word or ' '.join(map(str, self.children))})"

    def nodes(self) -> Iterator["SyntaxTree"]:
        """This node and all below it, each before its children, from left to right."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.children))

    def leaves(self) -> Iterator["SyntaxTree"]:
        """The tags with their words, from left to right."""
        return (node for node in self.nodes() if node.word is not None)

    @property
    def words(self) -> list[str]:
        """The words of the sentence."""
        return [str(leaf.word) for leaf in self.leaves()]

    @property
    def tags(self) -> list[str]:
        """Their parts of speech."""
        return [leaf.label for leaf in self.leaves()]

    def indented(self, depth: int = 0) -> str:
        """The brackets on several lines: a node above other than tags has each child on a line of its own."""
        if all(child.word is not None for child in self.children):
            return str(self)
        children = (f"\n{'  ' * (depth + 1)}{child.indented(depth + 1)}" for child in self.children)
        return f"({self.label}{''.join(children)})"


def parse_tree(text: str) -> SyntaxTree:
    """The tree that one pair of brackets writes. Raises InputError for anything else."""
    trees = list(read_trees(text, "the brackets"))
    if len(trees) != 1:
        raise InputError(f"{text!r} is {len(trees)} trees; give one")
    return trees[0]


def read_trees(text: str, name: str) -> Iterator[SyntaxTree]:
    """The trees of a text, which may spread them over many lines. A bracket without a label gets the label "".

    Raises InputError, naming the text and the line, for brackets that do not balance or hold no tree.
    """
    stack: list[_Bracket] = []
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            for piece in PIECE.findall(line):
                if piece == "(":
                    if stack and stack[-1].word is not None:
                        raise InputError(f"a bracket opens behind the word {stack[-1].word!r}: close its bracket first")
                    if len(stack) == DEEPEST:
                        raise InputError(f"brackets are nested more than {DEEPEST} deep: this is no sentence")
                    stack.append(_Bracket(number))
                elif not stack and piece == ")":
                    raise InputError("a bracket closes that was never opened: remove it, or open it before")
                elif not stack:
                    raise InputError(f"{piece!r} stands outside of all brackets: give trees, as (S (NP (PRP I)) ...)")
                elif piece == ")":
                    tree = stack.pop().closed()
                    if stack:
                        stack[-1].children.append(tree)
                    else:
                        yield tree
                else:
                    stack[-1].put(piece)
        except InputError as error:
            raise InputError(f"{name}, line {number}: {error}") from None
    if stack:
        raise InputError(f"{name}, line {stack[0].line}: the bracket that opens here is never closed: close it")


@dataclass
class _Bracket:
    """A bracket that is open while a text is read."""

    line: int
    label: str = ""
    word: str | None = None
    children: list[SyntaxTree] = field(default_factory=list)

    def put(self, piece: str) -> None:
        """A label, or the word behind it."""
        if self.children or self.word is not None:
            raise InputError(f"{piece!r} stands where a bracket should open or close: each word needs one with its tag")
        if self.label:
            self.word = piece
        else:
            self.label = piece

    def closed(self) -> SyntaxTree:
        """The node."""
        if self.word is None and not self.children:
            raise InputError(f"({self.label}) holds neither a word nor a tree: remove it")
        return SyntaxTree(self.label, tuple(self.children), self.word)
