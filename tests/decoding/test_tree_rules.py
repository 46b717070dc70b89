"""The search for trees: whatever the model, it writes a tree over exactly the words, and only the words are forced."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_parser import small_parser, trees

from numpy_transformer.data.tree_tokens import TreeTokens, symbols_of, tokenizer_for_trees
from numpy_transformer.data.trees import DEEPEST, parse_tree
from numpy_transformer.decoding.beam import beam_search
from numpy_transformer.decoding.reference import next_log_probabilities
from numpy_transformer.decoding.rules import Pooled
from numpy_transformer.decoding.tree_rules import MOST_OPENED, SHARE, TreePrefix, TreeRule
from numpy_transformer.errors import InputError

TOKENIZER = tokenizer_for_trees(trees(), 300)
TOKENS = TreeTokens(TOKENIZER)
SENTENCES = [["I", "sleep", "."], ["unknown", "catfish"], ["x"]]
RULE = TreeRule(TOKENS, [TOKENS.pieces(words) for words in SENTENCES], eos_id=2)


def test_a_sequence_is_symbols_around_the_pieces_of_words():
    tree = parse_tree("(S (NP (PRP I)) (VP (VBP sleep)))")
    written = [TOKENIZER.vocabulary[token].decode() for token in TOKENS.sequence(tree)]
    assert written == ["(S", "(NP", " I", "/PRP", ")NP", "(VP", " slee", "p", "/VBP", ")VP", ")S"]
    assert TOKENS.tree(TOKENS.sequence(tree), tree.words) == tree


def test_text_never_yields_a_symbol():
    pieces = TOKENS.pieces(["(S", ")NP", "/PRP", "<eos>"])
    assert {token for word in pieces for token in word} <= set(TOKENS.word_ids)
    assert not set(TOKENS.word_ids) & set(TOKENIZER.special_tokens.values())


def test_symbols_and_what_is_not_known():
    assert symbols_of(trees()[:1]) == ["(NP", "(S", "(VP", ")NP", ")S", ")VP", "/.", "/PRP", "/VBP"]
    assert TOKENS.knows(trees()[3])
    assert not TOKENS.knows(parse_tree("(S (ADJP (PRP I)))"))
    assert not TOKENS.knows(parse_tree("(S (JJ I))"))
    with pytest.raises(InputError, match=r"--vocabulary is 260; .* at least"):
        tokenizer_for_trees(trees(), 260)


@pytest.mark.parametrize("tree", trees(), ids=str)
def test_every_gold_tree_is_allowed(tree):
    rule = TreeRule(TOKENS, [TOKENS.pieces(tree.words)], eos_id=2)
    ids = TOKENS.sequence(tree)
    assert rule.holds(ids)
    assert len(ids) <= rule.limit(0)
    assert TOKENS.tree(ids, tree.words) == tree
    assert not rule.holds(ids[:-1])
    assert not rule.holds([*ids, ids[-1]])
    assert not TreeRule(TOKENS, [TOKENS.pieces([*tree.words, "more"])], eos_id=2).holds(ids)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, len(SENTENCES) - 1), st.randoms(use_true_random=False))
def test_any_walk_over_allowed_tokens_ends_as_a_tree(sentence, random):
    """No beginning is a dead end, and the limit is never reached before the tree is whole."""
    prefix, ids = TreePrefix(), []
    while not prefix.ended:
        allowed = RULE.allowed(sentence, prefix)
        assert allowed
        assert len(set(allowed)) == len(allowed)
        ids.append(random.choice(allowed))
        prefix = RULE._after(sentence, prefix, ids[-1])
        assert prefix.opened <= MOST_OPENED
        assert len(ids) <= RULE.limit(sentence)
        assert len(prefix.stack) < DEEPEST
    assert RULE.allowed(sentence, prefix) == [2]
    assert RULE.holds(ids)
    assert TOKENS.tree(ids, SENTENCES[sentence]).words == SENTENCES[sentence]


def test_trees_are_not_too_deep_to_be_written():
    """A model that only wants to open brackets."""
    words = ["x"] * 40
    rule = TreeRule(TOKENS, [TOKENS.pieces(words)], eos_id=2)
    prefix, ids = TreePrefix(), []
    while not prefix.ended:
        ids.append(rule.allowed(0, prefix)[0])
        prefix = rule._after(0, prefix, ids[-1])
    tree = TOKENS.tree(ids, words)
    assert parse_tree(str(tree)) == tree
    assert tree.words == words
    assert max(len(line) - len(line.lstrip()) for line in tree.indented().split("\n")) == 2 * (DEEPEST - 2)


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_the_search_finds_trees_over_the_words(seed, beam):
    """Together and one by one they are the same trees."""
    parser = small_parser(seed)
    found = parser.parse(SENTENCES, beam=beam)
    assert [tree.words for tree in found] == SENTENCES
    assert [parser.parse([words], beam=beam)[0] for words in SENTENCES] == found


@pytest.mark.parametrize("seed", range(3))
def test_greedy_search_is_the_reference_step_by_step(seed):
    """The whole model for each token; a word shares in the probability of all words; then the best allowed token."""
    parser = small_parser(seed)
    for sentence, words in enumerate(SENTENCES):
        pieces = parser.tokens.pieces(words)
        source = [token for word in pieces for token in word] + [2]
        prefix, ids = TreePrefix(), []
        while not prefix.ended:
            scores = next_log_probabilities(parser.model, source, ids)
            together = np.logaddexp.reduce(scores[TOKENS.word_ids])
            scores[TOKENS.word_ids] = (1 - SHARE) * scores[TOKENS.word_ids] + SHARE * together
            allowed = RULE.allowed(sentence, prefix)
            ids.append(max(allowed, key=lambda token: scores[token]))
            prefix = RULE._after(sentence, prefix, ids[-1])
        assert parser.parse([words], beam=1)[0] == TOKENS.tree(ids, words)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_pooled_tokens_share_their_probability(share):
    """In the score each word costs a part of what all words together cost."""
    parser = small_parser(1)
    pieces = parser.tokens.pieces(SENTENCES[2])
    source = np.array([[*pieces[0], 2]])
    rule = TreeRule(TOKENS, [pieces], eos_id=2)
    pooled = Pooled(np.array(TOKENS.word_ids), share)
    [[best]] = beam_search(
        parser.model, source, limits=np.array([rule.limit(0)]), beam=2, alpha=0.0, rules=[rule], pooled=pooled
    )
    total = 0.0
    for place, token in enumerate([*best.ids, 2]):
        scores = next_log_probabilities(parser.model, source[0].tolist(), best.ids[:place])
        together = np.logaddexp.reduce(scores[TOKENS.word_ids])
        own = scores[token]
        total += (1 - share) * own + share * together if token in TOKENS.word_ids else own
    assert best.log_probability == pytest.approx(total, rel=1e-9)
