"""How good a translation is: BLEU, exact sentences, perplexity."""

import math
from collections.abc import Sequence
from typing import NamedTuple


class Bleu(NamedTuple):
    """BLEU of a whole corpus and what is needed to compare it with another's."""

    score: float  # 0 to 100
    brevity_penalty: float  # 1 where the hypotheses are at least as long as the references
    length_ratio: float  # tokens in the hypotheses per token in the references
    signature: str  # every choice that changes the score, in sacreBLEU's notation

    def __str__(self) -> str:
        return f"BLEU {self.score:.2f} (brevity penalty {self.brevity_penalty:.3f}, {self.signature})"


def bleu(hypotheses: Sequence[str], references: Sequence[str], *, lowercase: bool = False) -> Bleu:
    """Corpus BLEU (Papineni et al. 2002) as sacreBLEU computes it (Post 2018): 13a tokenisation, cased.

    Both sides are plain, detokenised sentences, one reference each. `lowercase` compares without case,
    for figures that were published so.

    Raises ValueError when the two are empty or of different length.
    """
    _check_paired(hypotheses, references)
    from sacrebleu.metrics import BLEU  # slow to import, and only evaluation needs it

    metric = BLEU(tokenize="13a", lowercase=lowercase)
    result = metric.corpus_score(list(hypotheses), [list(references)])
    return Bleu(
        score=float(result.score),
        brevity_penalty=float(result.bp),
        length_ratio=float(result.sys_len / max(result.ref_len, 1)),
        signature=str(metric.get_signature()),
    )


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
