"""The parser to compare with: a probabilistic context-free grammar, read off the trees, and CKY (Younger 1967).

A rule NP -> DT NN has the probability count(NP -> DT NN) / count(NP). The tree of a sentence is the one whose rules
have the largest product. For CKY each rule has two symbols on its right: longer ones are cut, from left to right, with
symbols that remember the last h children; each label may remember the v - 1 labels above it (Klein and Manning 2003):

    NP -> DT JJ NN    is    NP -> DT @NP:DT,    @NP:DT -> JJ NN        (h = 1)

A word seen fewer than RARE times is replaced by its class: a capital, digits, a dash, and its last letters.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from numpy_transformer.data.trees import SyntaxTree

RARE = 2
SUFFIXES = ("ing", "ed", "s", "ly", "ion", "al", "er", "est", "ity", "y", "able", "ment")
ROOT = "ROOT"
Array = np.ndarray


def word_class(word: str, first: bool) -> str:
    """The class of a rare word; `first`: whether it is the first of its sentence, where a capital says less."""
    kind = "C" if word[:1].isupper() and not first else "c" if word[:1].isupper() else "w"
    if any(letter.isdigit() for letter in word):
        kind = "0" + ("w" if any(letter.isalpha() for letter in word) else "")
    dash = "-" if "-" in word else ""
    suffix = next((ending for ending in SUFFIXES if word.lower().endswith(ending) and len(word) > len(ending) + 2), "")
    return f"<{kind}{dash}{suffix}>"


class Rule(NamedTuple):
    """parent -> left right; of a unary rule, right is empty."""

    parent: str
    left: str
    right: str


class Grammar:
    """A grammar with its probabilities as arrays, ready for CKY."""

    def __init__(self, trees: Sequence[SyntaxTree], *, h: int, v: int) -> None:
        """Read it off the trees: `h` and `v` are the orders of Markovisation."""
        self._h, self._v = h, v
        seen = Counter(word for tree in trees for word in tree.words)
        self._known = {word for word, count in seen.items() if count >= RARE}
        rules: Counter[Rule] = Counter()
        emitted: Counter[tuple[str, str]] = Counter()
        for tree in trees:
            rules[Rule(ROOT, self._name(tree, ()), "")] += 1
            words = iter(self._words(tree.words))
            self._count(tree, (), rules, emitted, words)
        parents: Counter[str] = Counter()
        for rule, count in rules.items():
            parents[rule.parent] += count
        tags: Counter[str] = Counter()
        for (tag, _), count in emitted.items():
            tags[tag] += count
        self.symbols = sorted({symbol for rule in rules for symbol in rule if symbol} | set(tags))
        self._index = {symbol: number for number, symbol in enumerate(self.symbols)}
        self._emissions: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for (tag, word), count in emitted.items():
            self._emissions[word].append((self._index[tag], float(np.log(count / tags[tag]))))
        self._any_tag = [(self._index[tag], float(np.log(count / tags.total()))) for tag, count in tags.items()]

        binary = sorted((self._index[r.parent], r) for r in rules if r.right)
        self._parent = np.array([parent for parent, _ in binary])
        self._left = np.array([self._index[r.left] for _, r in binary])
        self._right = np.array([self._index[r.right] for _, r in binary])
        self._weight = np.log([rules[r] / parents[r.parent] for _, r in binary])
        self._starts = np.flatnonzero(np.r_[True, self._parent[1:] != self._parent[:-1]])
        self._close({r: float(np.log(c / parents[r.parent])) for r, c in rules.items() if not r.right})

    def parse(self, words: Sequence[str]) -> SyntaxTree | None:
        """The most probable tree; None if the grammar has none."""
        n, N = len(words), len(self.symbols)
        # [i, j]: the best log-probability of each symbol over words i to j, by a tag or a binary rule; by any rules.
        direct = np.full((n, n + 1, N), -np.inf)
        chart = np.full((n, n + 1, N), -np.inf)
        for i, word in enumerate(self._words(words)):
            for tag, log_probability in self._emissions.get(word) or self._any_tag:
                direct[i, i + 1, tag] = log_probability
            chart[i, i + 1] = self._with_unary(direct[i, i + 1])
        for length in range(2, n + 1):
            for i in range(n - length + 1):
                j = i + length
                splits = np.arange(i + 1, j)
                inside = chart[i, splits][:, self._left] + chart[splits, j][:, self._right]
                best = np.maximum.reduceat(inside.max(axis=0) + self._weight, self._starts)
                direct[i, j, self._parent[self._starts]] = best
                chart[i, j] = self._with_unary(direct[i, j])
        root = self._index[ROOT]
        if chart[0, n, root] == -np.inf:
            return None

        def nodes(i: int, j: int, symbol: int) -> list[SyntaxTree]:
            """What the best derivation of a symbol over words i to j makes; several for an intermediate symbol."""
            chain = [symbol, *self._chain_below(symbol, direct[i, j])]
            last = chain[-1]
            if j == i + 1:
                made = [SyntaxTree(self.symbols[last], (), words[i])]
            else:
                rules = np.flatnonzero(self._parent == last)
                splits = np.arange(i + 1, j)
                left, right = self._left[rules], self._right[rules]
                scores = chart[i, splits][:, left] + chart[splits, j][:, right] + self._weight[rules]
                place, rule = np.unravel_index(scores.argmax(), scores.shape)
                k = int(splits[place])
                made = self._node(last, [*nodes(i, k, int(left[rule])), *nodes(k, j, int(right[rule]))])
            for above in reversed(chain[:-1]):
                made = self._node(above, made)
            return made

        [top] = nodes(0, n, root)
        return top.children[0]

    def _name(self, node: SyntaxTree, above: tuple[str, ...]) -> str:
        """A node's symbol: its label with those above it."""
        if node.word is not None or self._v == 1:
            return node.label
        return "^".join((node.label, *above[: self._v - 1]))

    def _count(
        self,
        node: SyntaxTree,
        above: tuple[str, ...],
        rules: Counter[Rule],
        emitted: Counter[tuple[str, str]],
        words: Iterator[str],
    ) -> None:
        if node.word is not None:
            emitted[node.label, next(words)] += 1
            return
        parent, inner = self._name(node, above), (node.label, *above)
        names = [self._name(child, inner) for child in node.children]
        symbol = parent
        for place in range(len(names) - 2):
            remembered = ",".join(names[max(0, place + 1 - self._h) : place + 1])
            rest = f"@{parent}:{remembered}"
            rules[Rule(symbol, names[place], rest)] += 1
            symbol = rest
        rules[Rule(symbol, names[-2], names[-1]) if len(names) > 1 else Rule(symbol, names[0], "")] += 1
        for child in node.children:
            self._count(child, inner, rules, emitted, words)

    def _words(self, words: Sequence[str]) -> list[str]:
        return [word if word in self._known else word_class(word, place == 0) for place, word in enumerate(words)]

    def _close(self, unary: dict[Rule, float]) -> None:
        """The best chain of unary rules from each symbol to each other, by Floyd and Warshall's algorithm."""
        used = sorted({self._index[symbol] for rule in unary for symbol in (rule.parent, rule.left)})
        place = {symbol: number for number, symbol in enumerate(used)}
        closed = np.full((len(used), len(used)), -np.inf)
        np.fill_diagonal(closed, 0.0)
        self._through = np.full(closed.shape, -1)
        for rule, weight in unary.items():
            a, b = place[self._index[rule.parent]], place[self._index[rule.left]]
            if a != b:
                closed[a, b] = weight
        for middle in range(len(used)):
            chained = closed[:, middle, None] + closed[None, middle, :]
            better = chained > closed
            closed = np.where(better, chained, closed)
            self._through[better] = middle
        self._used, self._closed = np.array(used), closed

    def _with_unary(self, cell: Array) -> Array:
        """The best log-probabilities (N,) when chains of unary rules may stand above what is there."""
        result = cell.copy()
        result[self._used] = (self._closed + cell[self._used]).max(axis=1)
        return result

    def _chain_below(self, symbol: int, cell: Array) -> list[int]:
        """The symbols below this one in the best chain of unary rules; none if a binary rule or a tag makes it."""
        [place] = np.flatnonzero(self._used == symbol).tolist() or [-1]
        if place < 0:
            return []
        bottom = int((self._closed[place] + cell[self._used]).argmax())
        return [] if bottom == place else [*self._between(place, bottom), int(self._used[bottom])]

    def _between(self, a: int, b: int) -> list[int]:
        """The symbols of the best unary chain from a to b, without these."""
        middle = int(self._through[a, b])
        if middle < 0:
            return []
        return [*self._between(a, middle), int(self._used[middle]), *self._between(middle, b)]

    def _node(self, symbol: int, children: list[SyntaxTree]) -> list[SyntaxTree]:
        name = self.symbols[symbol]
        return children if name.startswith("@") else [SyntaxTree(name.partition("^")[0], tuple(children))]
