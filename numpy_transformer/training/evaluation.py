"""How good the model is while it learns: validation loss, BLEU of real decoding, and a few translations to read."""

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

from numpy_transformer.data.batching import EncodedText, epoch_batches
from numpy_transformer.data.encoding import PreparedText
from numpy_transformer.data.files import ParallelText
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.diagnostics import KEPT, DivergenceError
from numpy_transformer.training.metrics import Bleu, Score, bleu, chrf, exact_match
from numpy_transformer.training.parallel import Steps
from numpy_transformer.translation.token_ids import ModelTokenizer
from numpy_transformer.translation.translator import Translator

VALIDATION_SENTENCES = 200  # at most, decoded at each evaluation; the validation loss uses all
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
    """What the model can do after `step` updates."""

    step: int
    loss: float  # of the whole validation text, nats per token
    text: ParallelText  # the part of it that was translated
    translations: Translations


def evaluate(
    model: Transformer,
    tokenizer: ModelTokenizer,
    valid: PreparedText,
    workers: Steps,
    *,
    batch_tokens: int,
    step: int,
) -> Evaluation:
    """The loss of the validation text, and greedy translations of a part of it.

    Raises DivergenceError if the loss is not finite.
    """
    loss = validation_loss(model, valid.ids, batch_tokens, workers)
    if not math.isfinite(loss):
        raise DivergenceError(f"the validation loss at step {step} is {loss}; {KEPT}")
    every = math.ceil(len(valid) / VALIDATION_SENTENCES)  # files may be sorted: a part from one place would mislead
    text = ParallelText(valid.text.sources[::every], valid.text.targets[::every])
    return Evaluation(step, loss, text, translate_text(workers, Translator(model, tokenizer), text, beam=1))


def validation_loss(model: Transformer, text: EncodedText, batch_tokens: int, workers: Steps) -> float:
    """Cross-entropy in nats per real target token, without label smoothing or dropout."""
    batches = [text.batch(indices, model.config.pad_id) for indices in epoch_batches(text, batch_tokens, seed=None)]
    token_count = sum(batch.token_count for batch in batches)
    losses = workers.map(
        lambda batch: float(model.loss(batch.source, batch.target, label_smoothing=0.0, token_count=token_count)),
        batches,
    )
    return sum(losses)


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
