"""More trees from few: constituents exchange places (Shi et al. 2021, Substructure Substitution).

A noun phrase that is a subject in one sentence can be the subject of another. So each epoch may see other sentences:
going down a tree, each constituent is replaced with a probability p by one that has the same label and the same label
above it, drawn from all training trees; below a replaced one nothing more is replaced. What comes out is often
nonsense, but its tree is right.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from numpy_transformer.data.trees import SyntaxTree


class Exchange:
    """The constituents of some trees, by their own label and the one above."""

    def __init__(self, trees: Sequence[SyntaxTree], probability: float) -> None:
        """`probability` p, 0 to 1."""
        self._trees, self._probability = trees, probability
        self._kinds: dict[tuple[str, str], list[SyntaxTree]] = defaultdict(list)
        for tree in trees:
            for node in tree.nodes():
                for child in node.children:
                    if child.word is None:
                        self._kinds[node.label, child.label].append(child)

    def drawn(self, seed: tuple[int, ...]) -> list[SyntaxTree]:
        """All trees once, each with constituents exchanged as the seed draws them."""
        rng = np.random.default_rng(seed)

        def exchanged(node: SyntaxTree) -> SyntaxTree:
            children = []
            for child in node.children:
                if child.word is None:
                    if rng.random() < self._probability:
                        kind = self._kinds[node.label, child.label]
                        child = kind[int(rng.integers(len(kind)))]
                    else:
                        child = exchanged(child)
                children.append(child)
            return SyntaxTree(node.label, tuple(children))

        return [exchanged(tree) for tree in self._trees]
