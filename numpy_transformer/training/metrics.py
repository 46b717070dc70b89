"""How good a translation is: BLEU, chrF, TER, exact sentences, perplexity.

sacreBLEU (Post 2018) computes the first three. Its signature beside a score names every choice that changes the score:
two scores can be compared if their signatures are equal.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple


class Bleu(NamedTuple):
    """BLEU of a whole corpus and what is needed to compare it with another's."""

    score: float  # 0 to 100
    brevity_penalty: float  # 1 where the hypotheses are at least as long as the references
    length_ratio: float  # tokens in the hypotheses per token in the references
    signature: str  # every choice that changes the score, in sacreBLEU's notation

    def __str__(self) -> str:
        return f"BLEU {self.score:.2f} (brevity penalty {self.brevity_penalty:.3f}, {self.signature})"


class Score(NamedTuple):
    """Another measure of a whole corpus."""

    name: str  # "chrF2", "TER"
    score: float  # 0 to 100; TER may be larger, and less is better
    signature: str

    def __str__(self) -> str:
        return f"{self.name} {self.score:.2f} ({self.signature})"


def bleu(
    hypotheses: Sequence[str], references: Sequence[str], *, lowercase: bool = False, tokenised: bool = False
) -> Bleu:
    """Corpus BLEU (Papineni et al. 2002) as sacreBLEU computes it (Post 2018): 13a tokenisation, cased.

    Both sides are plain, detokenised sentences, one reference each. `lowercase` compares without case, for figures
    that were published so. `tokenised`: both sides are tokens with spaces between them, and are compared as they are
    (tok:none). Figures published so cannot be compared with 13a's, since each tokenisation has its own matches.

    Raises ValueError when the two are empty or of different length.
    """
    _check_paired(hypotheses, references)
    metric = bleu_metric(lowercase=lowercase, tokenised=tokenised)
    result = metric.corpus_score(list(hypotheses), [list(references)])
    return Bleu(
        score=float(result.score),
        brevity_penalty=float(result.bp),
        length_ratio=float(result.sys_len / max(result.ref_len, 1)),
        signature=str(metric.get_signature()),
    )


def bleu_metric(*, lowercase: bool = False, tokenised: bool = False) -> Any:
    """sacreBLEU's own object for `bleu`."""
    from sacrebleu.metrics import BLEU  # slow to import, and only evaluation needs it

    # force: without its own warning about tokenised text; `looks_tokenised` finds that earlier.
    return BLEU(tokenize="none" if tokenised else "13a", lowercase=lowercase, force=True)


def chrf(hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    """Corpus chrF2 (Popovic 2015): the F-score, with recall weighed twice, of n-grams of up to 6 characters.

    Unlike BLEU it gives credit to a word with another ending. Raises ValueError as `bleu`.
    """
    from sacrebleu.metrics import CHRF

    return _scored(CHRF(), hypotheses, references)


def ter(hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    """Translation edit rate (Snover et al. 2006): insertions, deletions, substitutions and shifts of words that make
    the hypotheses the references, per 100 words of the references. Less is better. Raises ValueError as `bleu`.
    """
    from sacrebleu.metrics import TER

    return _scored(TER(), hypotheses, references)


def further_scores(
    hypotheses: Sequence[str], references: Sequence[str], *, tokenised: bool, with_ter: bool
) -> list[Score | Bleu]:
    """What train.py's --tokenised and --ter ask for, beside BLEU and chrF."""
    scores: list[Score | Bleu] = []
    if tokenised:
        scores.append(bleu(hypotheses, references, tokenised=True))
    if with_ter:
        scores.append(ter(hypotheses, references))
    return scores


def _scored(metric: Any, hypotheses: Sequence[str], references: Sequence[str]) -> Score:
    _check_paired(hypotheses, references)
    result = metric.corpus_score(list(hypotheses), [list(references)])
    return Score(str(result.name), float(result.score), str(metric.get_signature()))


def looks_tokenised(references: Sequence[str]) -> bool:
    """Whether most sentences with a final mark have a space before it: their BLEU is usually that of the tokens."""
    marked = [text for text in references if text.endswith((".", "!", "?")) and len(text) > 1]
    return 2 * sum(text[-2] == " " for text in marked) > len(marked)


def exact_match(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """The fraction of hypotheses, 0 to 1, that equal their reference character for character.

    Raises ValueError when the two are empty or of different length.
    """
    _check_paired(hypotheses, references)
    equal = sum(hypothesis == reference for hypothesis, reference in zip(hypotheses, references, strict=True))
    return equal / len(references)


def perplexity(loss: float) -> float:
    """The perplexity exp(`loss`) of a cross-entropy in nats per token; infinite where exp overflows.

    It is comparable between models only for a loss without label smoothing and the same tokenizer.
    """
    try:
        return math.exp(loss)
    except OverflowError:
        return math.inf


def _check_paired(hypotheses: Sequence[str], references: Sequence[str]) -> None:
    if not references or len(hypotheses) != len(references):
        raise ValueError(
            f"{len(hypotheses)} hypotheses for {len(references)} references: one each, and at least one pair"
        )
