"""BLEU against hand counts, exact sentences, perplexity."""

import math
import subprocess
import sys
from pathlib import Path

import pytest

from numpy_transformer.training.metrics import bleu, chrf, exact_match, looks_tokenised, perplexity, ter


def test_a_perfect_translation_scores_100():
    result = bleu(["Ein Hund läuft schnell."], ["Ein Hund läuft schnell."])
    assert result.score == pytest.approx(100)
    assert result.brevity_penalty == result.length_ratio == 1
    assert "case:mixed" in result.signature
    assert "tok:13a" in result.signature
    assert result.signature in str(result)


def test_bleu_of_counts_made_by_hand():
    # 7 tokens: a b c d e f g against a b c d e f h: 6/7 words, 5/6 pairs, 4/5 triples, 3/4 quadruples agree.
    expected = 100 * (6 / 7 * 5 / 6 * 4 / 5 * 3 / 4) ** 0.25
    assert bleu(["a b c d e f g"], ["a b c d e f h"]).score == pytest.approx(expected)


def test_the_brevity_penalty():
    result = bleu(["a b c d e f"], ["a b c d e f g h"])  # all that is there is right, but 2 of 8 are missing
    assert result.length_ratio == pytest.approx(6 / 8)
    assert result.brevity_penalty == pytest.approx(math.exp(1 - 8 / 6))
    assert result.score == pytest.approx(100 * math.exp(1 - 8 / 6))


def test_tokens_are_compared_as_they_are():
    """13a takes the mark off by itself; of tokens, "schnell." is a word of its own."""
    hypotheses, references = ["Ein Hund läuft schnell."], ["Ein Hund läuft schnell ."]
    assert bleu(hypotheses, references).score == pytest.approx(100)
    result = bleu(hypotheses, references, tokenised=True)
    assert result.score < 80
    assert "tok:none" in result.signature


def test_chrf_of_counts_made_by_hand():
    # Characters: 3 of 4 agree on both sides; pairs: 2 of 3; triples: 1 of 2; longer: 0 of 1, and none.
    result = chrf(["abcd"], ["abcx"])
    assert result.score == pytest.approx(100 * (3 / 4 + 2 / 3 + 1 / 2 + 0) / 4)
    assert (result.name, "nc:6" in result.signature) == ("chrF2", True)


def test_ter_of_edits_made_by_hand():
    result = ter(["a b x d"], ["a b c d e"])  # one substitution, one insertion, for 5 words
    assert result.score == pytest.approx(100 * 2 / 5)
    assert str(result).startswith("TER 40.00 (nrefs:1|")


@pytest.mark.parametrize("measure", [chrf, ter])
def test_other_measures_want_pairs(measure):
    with pytest.raises(ValueError, match="1 hypotheses for 2 references"):
        measure(["a"], ["a", "b"])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["ein hund läuft .", "zwei ?", "ein haus"], True),
        (["Ein Hund läuft.", "Zwei?", "drei ."], False),
        (["kein Satzzeichen"], False),
        ([".", ""], False),
    ],
)
def test_tokenised_text_is_noticed(lines, expected):
    assert looks_tokenised(lines) is expected


def test_case_counts_unless_told_otherwise():
    hypotheses, references = ["ein hund läuft schnell"], ["Ein Hund läuft schnell"]
    assert bleu(hypotheses, references).score < 50
    result = bleu(hypotheses, references, lowercase=True)
    assert result.score == pytest.approx(100)
    assert "case:lc" in result.signature


def test_punctuation_is_a_token_of_its_own():
    # Four of five tokens agree (13a splits the full stop off); split at blanks it would be three of four.
    assert bleu(["a b c d."], ["a b c d!"]).score == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)


def test_empty_hypotheses_score_0():
    assert bleu(["", ""], ["a b c d", "e f g h"]).score == 0


def test_exact_match():
    assert exact_match(["Hallo!", "hallo!", "Hallo! "], ["Hallo!"] * 3) == pytest.approx(1 / 3)


@pytest.mark.parametrize("metric", [bleu, exact_match])
def test_unpaired_sentences_are_refused(metric):
    for hypotheses, references in ([], []), (["a"], []), (["a"], ["a", "b"]):
        with pytest.raises(ValueError, match=f"{len(hypotheses)} hypotheses for {len(references)} references"):
            metric(hypotheses, references)


def test_perplexity():
    assert perplexity(math.log(8000)) == pytest.approx(8000)
    assert perplexity(0) == 1
    assert perplexity(1e4) == math.inf
    assert math.isnan(perplexity(math.nan))


def test_sacrebleu_is_imported_only_when_needed():
    code = "import sys, numpy_transformer.training.metrics; sys.exit('sacrebleu' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0
