"""The grammar to compare with: its trees are the most probable ones, of all that it can make."""

import itertools
import math

import pytest

from benchmarks.parsing import split_sample
from benchmarks.pcfg import Grammar, word_class
from numpy_transformer.data.treebank import load_treebank
from numpy_transformer.data.trees import SyntaxTree, parse_tree

TREES = [
    parse_tree(text)
    for text in (
        "(S (NP (N a)) (VP (V b) (NP (N a))))",
        "(S (NP (N a)) (VP (V b) (NP (N a)) (PP (P c) (NP (N a)))))",
        "(S (NP (N a)) (VP (V b) (NP (NP (N a)) (PP (P c) (NP (N b))))))",
        "(S (VP (V b)))",
        "(S (VP (V b) (NP (N a) (N b))))",
        "(S (S (VP (V b))) (PP (P c) (NP (N a))))",
    )
]


RULES: dict[str, list[tuple[str, ...]]] = {}
WORDS: dict[str, list[str]] = {}
for _node in (node for gold in TREES for node in gold.nodes()):
    if _node.word is None:
        RULES.setdefault(_node.label, []).append(tuple(child.label for child in _node.children))
    else:
        WORDS.setdefault(_node.label, []).append(_node.word)
CHAIN = 3  # unary rules in a row at most: more are never better


def all_trees(words: tuple[str, ...]) -> list[SyntaxTree]:
    """Every tree of the counted rules over the words."""
    found = [SyntaxTree(tag, (), words[0]) for tag, seen in WORDS.items() if len(words) == 1 and words[0] in seen]
    for count in range(2, len(words) + 1):
        for cuts in itertools.combinations(range(1, len(words)), count - 1):
            parts = [all_trees(words[a:b]) for a, b in itertools.pairwise((0, *cuts, len(words)))]
            found += [made for children in itertools.product(*parts) for made in above(children)]
    newest = found
    for _ in range(CHAIN):
        newest = [made for tree in newest for made in above((tree,))]
        found = found + newest
    return found


def above(children: tuple[SyntaxTree, ...]) -> list[SyntaxTree]:
    labels = tuple(child.label for child in children)
    return [SyntaxTree(label, children) for label, seen in RULES.items() if labels in seen]


def log_probability(tree: SyntaxTree) -> float:
    """By the counts themselves, without binary rules: each node's children given its label."""
    roots = [gold.label for gold in TREES]
    total = math.log(roots.count(tree.label) / len(roots)) if tree.label in roots else -math.inf
    for node in tree.nodes():
        if node.word is None:
            seen = RULES[node.label]
            total += math.log(seen.count(tuple(child.label for child in node.children)) / len(seen))
        else:
            total += math.log(WORDS[node.label].count(node.word) / len(WORDS[node.label]))
    return total


@pytest.mark.parametrize("words", [("b",), ("a", "b"), ("a", "b", "a"), ("b", "c", "a"), ("b", "a", "b")])
def test_cky_finds_the_most_probable_of_all_trees(words):
    best = max(map(log_probability, all_trees(words)))
    found = Grammar(TREES, h=9, v=1).parse(words)
    assert best > -math.inf
    assert found is not None
    assert found.words == list(words)
    assert log_probability(found) == pytest.approx(best)


@pytest.mark.parametrize(("h", "v"), [(1, 1), (2, 1), (1, 2), (2, 3)])
def test_every_training_sentence_has_a_tree_with_plain_labels(h, v):
    grammar = Grammar(TREES, h=h, v=v)
    for gold in TREES:
        tree = grammar.parse(gold.words)
        assert tree is not None
        assert tree.words == gold.words
        assert {node.label for node in tree.nodes()} <= set("NVP") | {"S", "NP", "VP", "PP"}
    assert grammar.parse(["c", "c", "c", "c"]) is None


def test_unseen_words_have_classes():
    classes = {word_class(word, False) for word in ("Smithson", "smithing", "17", "1980s", "well-known", "xyz")}
    assert len(classes) == 6
    assert Grammar(TREES, h=1, v=1).parse(["a", "b", "unseen"]) is not None


def test_the_sample_is_cut_at_its_files(tmp_path):
    import gzip

    text = "\n".join(f"\n( (S (N a{file}x{tree})))" if tree == 0 else f"( (S (N a{file}x{tree})))"
                     for file in range(25) for tree in range(2))  # fmt: skip
    (tmp_path / "sample.mrg.gz").write_bytes(gzip.compress(text.encode()))
    split_sample(tmp_path / "sample.mrg.gz", tmp_path / "cut")
    corpus = load_treebank(str(tmp_path / "cut"))
    assert [len(part) for part in (corpus.train, corpus.valid, corpus.test)] == [10, 20, 20]
    assert corpus.valid[0].words == ["a5x0"]
    assert corpus.test[-1].words == ["a24x1"]
