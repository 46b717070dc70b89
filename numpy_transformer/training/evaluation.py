"""How good a model is, in figures and in words; and how translations are evaluated: BLEU of real decoding."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from numpy_transformer.data.files import ParallelText
from numpy_transformer.training.metrics import Bleu, Score, bleu, chrf, exact_match
from numpy_transformer.training.parallel import Steps
from numpy_transformer.translation.translator import Translator

SAMPLES = 5


class Translations(NamedTuple):
    """Translations of a text and their scores against its references."""

    hypotheses: list[str]
    bleu: Bleu
    chrf: Score
    exact: float  # the fraction that equals the reference, 0 to 1

    @classmethod
    def scored(cls, hypotheses: list[str], references: Sequence[str]) -> Self:
        """The hypotheses, measured."""
        return cls(
            hypotheses, bleu(hypotheses, references), chrf(hypotheses, references), exact_match(hypotheses, references)
        )


class Evaluation(NamedTuple):
    """How good a model is: after some updates, or at the end."""

    figures: Mapping[str, Any]  # for the log
    said: str  # on the display
    samples: Sequence[str]  # lines to read, for samples.txt
    title: str = ""  # of the samples of a test; an evaluation's is its step
    example: str = ""  # on the display, below `said`
    further: Sequence[tuple[str, str, Sequence[str]]] = ()  # of other texts: title of the samples, a line, the samples


def translate_text(
    workers: Steps, translator: Translator, text: ParallelText, *, beam: int, alpha: float = 0.6
) -> Translations:
    """Translate all of `text`, each worker a part of it, and score the result."""
    count = workers.workers
    translator.pack()
    parts = workers.map(
        lambda part: translator.translate(part, beam=beam, alpha=alpha),
        [text.sources[worker::count] for worker in range(count)],
    )
    hypotheses = [""] * len(text)
    for worker, part in enumerate(parts):
        hypotheses[worker::count] = part
    return Translations.scored(hypotheses, text.targets)


def sample_lines(text: ParallelText, hypotheses: Sequence[str], count: int = SAMPLES) -> list[str]:
    """The first `count` sentences with reference and translation, for samples.txt."""
    lines: list[str] = []
    for source, target, hypothesis in zip(text.sources[:count], text.targets, hypotheses, strict=False):
        lines += [f"source     {source}", f"reference  {target}", f"model      {hypothesis}"]
    return lines
