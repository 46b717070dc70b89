"""The trees that the phrasebook's grammar builds along with its English."""

import pytest

from numpy_transformer.data.penn_words import split_words
from numpy_transformer.data.phrasebook import CONSTRUCTIONS, constituents, fixed_expressions, generate, split_trees
from numpy_transformer.data.phrasebook.constituents import English, brackets_of
from numpy_transformer.data.phrasebook.sampling import Draw
from numpy_transformer.errors import InputError


@pytest.mark.parametrize("entry", CONSTRUCTIONS, ids=lambda entry: entry.name)
def test_every_sentence_has_a_tree_over_its_words(entry):
    draw = Draw(5)
    pairs = fixed_expressions() if entry.name == "fixed expressions" else [entry.sample(draw) for _ in range(150)]
    for source, _ in pairs:
        assert isinstance(source, English), source
        tree = source.tree
        assert tree.words == split_words(source), source
        assert "".join(tree.words) == source.replace(" ", ""), source
        assert not any(node.label == "X" for node in tree.nodes()), (source, tree)  # of a word that is in no table


EXAMPLES = {
    "future": "(S (NP {}) (VP (MD will) (VP (VB",
    "modal verbs": "(VP (TO to) (VP (VB",
    "relative clauses": "(SBAR (WHNP (W",
    "possession": " (POS ",
    "there is": "(S (NP (EX There)) (VP (VB",
    "because and although": "(SBAR (IN because) (S (NP",
    "purpose": ") (S (VP (TO to) (VP (VB",
    "which, whose and how": "(SBARQ (WHNP (W",
    "two main clauses": "(S (S (NP",
    "imperative": "(VP (VB",
    "numbers": "(CD ",
    "comparison": "(ADJP (ADJP (",
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_constructions_have_their_constituents(name):
    [entry] = [entry for entry in CONSTRUCTIONS if entry.name == name]
    draw = Draw(1)
    trees = [str(entry.sample(draw).source.tree) for _ in range(60)]
    part = EXAMPLES[name].partition("{}")
    assert any(part[0] in tree and part[2] in tree for tree in trees), trees[:3]


def test_some_trees_written_out():
    """The bracketing that docs/parsing.md describes, by hand."""
    wanted = {
        "They won't stand on the street.": "(S (NP (PRP They)) (VP (MD wo) (RB n't) (VP (VB stand) "
        "(PP (IN on) (NP (DT the) (NN street))))) (. .))",
        "I'm fine, thank you.": "(S (NP (PRP I)) (VP (VBP 'm) (ADJP (JJ fine))) (, ,) (S (VP (VB thank) "
        "(NP (PRP you)))) (. .))",
        "Hello": "(INTJ (UH Hello))",
        "Let's go!": "(S (VP (VB Let) (S (NP (PRP 's)) (VP (VB go)))) (. !))",
    }
    known = {str(source): source for source, _ in fixed_expressions()}
    found = {text: str(known[text].tree) for text in wanted if text in known}
    assert len(found) == 3
    assert found == {text: wanted[text] for text in found}


def test_the_parts_are_distinct_and_a_function_of_the_seed():
    train, valid, test = split_trees(2_000, 100, 200, seed=3)
    assert (len(train), len(valid), len(test)) == (2_000, 100, 200)
    sentences = [{tuple(tree.words) for tree in part} for part in (train, valid, test)]
    assert len(sentences[1]) == 100
    assert len(sentences[2]) == 200
    assert not sentences[0] & (sentences[1] | sentences[2])
    assert not sentences[1] & sentences[2]
    assert split_trees(2_000, 100, 200, seed=3) == (train, valid, test)
    assert {tuple(split_words(source)) for source, _ in fixed_expressions()} <= sentences[0]
    with pytest.raises(InputError, match="give 0 or more"):
        split_trees(-1)


def test_pairs_for_translation_are_plain_text():
    assert all(type(pair.source) is str for pair in generate(500, seed=2))


def test_brackets_are_built_only_for_those_who_ask(monkeypatch):
    """They take as long as everything else, and whoever trains a translator waits for nothing but the sentences."""

    def fail():
        raise AssertionError("brackets are built")

    monkeypatch.setattr(constituents, "_fixed", fail)  # whose tables most brackets need
    assert len(generate(1_000, seed=2)) == 1_000
    with pytest.raises(AssertionError, match="brackets are built"):
        split_trees(1_000)


def test_a_text_of_no_table_is_an_unknown_word_by_word():
    assert brackets_of("blue moon") == "(X blue) (X moon)"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('He said: "I can\'t (yet)."', "He said : `` I ca n't -LRB- yet -RRB- . ''"),
        ("It cost $1,200.50, or 5% of Mr. Smith's.", "It cost $ 1,200.50 , or 5 % of Mr. Smith 's ."),
        ("The students\u2019 books cannot wait...", "The students ' books can not wait ..."),
        ("At 3:30 the U.S. left - didn't it?", "At 3:30 the U.S. left - did n't it ?"),
        ("  ", ""),
    ],
)
def test_words_are_split_as_the_treebank_splits_them(text, words):
    assert split_words(text) == words.split()
    assert split_words(words) == words.split()
