"""Labelled brackets, counted by hand and as PYEVALB counts them."""

import random

import pytest

from numpy_transformer.data.phrasebook import split_trees
from numpy_transformer.data.trees import SyntaxTree, parse_tree
from numpy_transformer.tasks.bracket_scores import bracket_scores, brackets, counted_words

GOLD = parse_tree(
    "(S (NP (DT The) (NN dog)) (VP (VBZ sees) (NP (NP (DT a) (NN cat)) (PP (IN in) (NP (NN bed))))) (. .))"
)


def scores(gold: str, parsed: str):
    return bracket_scores([parse_tree(gold)], [parse_tree(parsed)])


def test_brackets_are_labels_and_spans_without_punctuation():
    tree = parse_tree("(TOP (S (`` ``) (NP (NN a)) (, ,) (VP (VB b) (ADVP (RB c)) (PRN (: --))) (. .)))")
    assert brackets(tree, counted_words(tree)) == {
        ("S", 0, 3): 1,
        ("NP", 0, 1): 1,
        ("VP", 1, 3): 1,
        ("ADVP", 2, 3): 1,
    }


def test_by_hand_attached_one_level_too_high():
    """Gold has 7 brackets, the other 6, of which all but none differ: NP over "a cat in bed" is missing."""
    other = parse_tree(
        "(S (NP (DT The) (NN dog)) (VP (VBZ sees) (NP (DT a) (NN cat)) (PP (IN in) (NP (NN bed)))) (. .))"
    )
    result = bracket_scores([GOLD], [other])
    assert (result.precision, result.recall, result.f1) == (1.0, 6 / 7, 12 / 13)
    assert (result.exact, result.identical, result.tagging) == (0.0, 0.0, 1.0)


def test_by_hand_wrong_label_tag_and_punctuation():
    result = scores(
        "(S (NP (NN a)) (VP (VB b) (PRT (RP c))) (. .))",
        "(SINV (NP (NN a)) (VP (NN b) (ADVP (RP c)) (. .)))",
    )
    assert (result.precision, result.recall) == (3 / 4, 3 / 4)  # PRT is ADVP, where the full stop is does not matter
    assert result.tagging == 2 / 3
    assert result.exact == 0.0


def test_a_bracket_that_occurs_twice_must_be_found_twice():
    result = scores("(S (NP (NP (NN a))))", "(S (NP (NN a)))")
    assert (result.precision, result.recall) == (1.0, 2 / 3)


def test_exact_asks_nothing_of_tags_and_whole_trees_do():
    result = scores("(S (NP (NN a)) (. .))", "(S (NP (JJ a)) (. .))")
    assert (result.exact, result.identical, result.tagging) == (1.0, 0.0, 0.0)
    assert bracket_scores([GOLD], [GOLD])[:5] == (1.0, 1.0, 1.0, 1.0, 1.0)


def test_sums_are_over_all_sentences():
    one, two = "(S (NP (NN a)))", "(S (NP (NN a)) (VP (VB b)))"
    flat = "(S (NN a) (VB b))"
    result = bracket_scores([parse_tree(one), parse_tree(two)], [parse_tree(one), parse_tree(flat)])
    assert (result.precision, result.recall) == (1.0, 3 / 5)


def test_other_words_are_no_parse():
    with pytest.raises(ValueError, match="different words"):
        scores("(S (NN a))", "(S (NN b))")


def disturbed(tree: SyntaxTree, rng: random.Random) -> SyntaxTree:
    """The tree with some brackets left out or of another label."""
    children: list[SyntaxTree] = []
    for child in tree.children:
        changed = child if child.word is not None else disturbed(child, rng)
        chance = rng.random()
        if child.word is None and chance < 0.15:
            children.extend(changed.children)
        elif child.word is None and chance < 0.25:
            children.append(changed._replace(label="XP"))
        else:
            children.append(changed)
    return tree._replace(children=tuple(children))


def bare(tree: SyntaxTree) -> SyntaxTree:
    """Without punctuation, and with PRT as ADVP: PYEVALB has no parameter file that says so."""
    children = tuple(bare(child) for child in tree.children if child.label not in {",", "."})
    return SyntaxTree("ADVP" if tree.label == "PRT" else tree.label, children, tree.word)


def test_as_the_published_scorer_counts():
    """PYEVALB counts a bracket that occurs twice once, so such trees are left out."""
    pytest.importorskip("PYEVALB")
    from PYEVALB.parser import create_from_bracket_string
    from PYEVALB.scorer import Scorer

    rng = random.Random(1)
    pairs = [(tree, disturbed(tree, rng)) for tree in split_trees(0, 0, 200, seed=9)[2]]
    pairs = [pair for pair in pairs if all(max(brackets(t, counted_words(t)).values()) == 1 for t in pair)]
    assert len(pairs) > 100
    ours = bracket_scores([gold for gold, _ in pairs], [parsed for _, parsed in pairs])
    theirs = [Scorer().score_trees(*(create_from_bracket_string(str(bare(tree))) for tree in pair)) for pair in pairs]
    matched = sum(one.matched_brackets for one in theirs)
    assert ours.precision == pytest.approx(matched / sum(one.test_brackets for one in theirs))
    assert ours.recall == pytest.approx(matched / sum(one.gold_brackets for one in theirs))
    assert 0.5 < ours.f1 < 0.98
