"""What the trainer asks of the thing that a model learns. Each task is a file of its own:

    translation_task.py    sentence pairs, for the encoder-decoder
    parsing_task.py        sentences and their trees, for the encoder-decoder
    completion_task.py     a stream of tokens, for the decoder alone
    reading_tasks.py       masked words, and classes of texts, for the encoder alone
    sound_task.py          sounds and what is said in them, for the encoder-decoder that hears

The trainer knows steps, the clock, checkpoints and reports; a task knows its text, its batches and what counts as good.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from numpy_transformer.data.batching import TrainingBatch
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.model import Model
from numpy_transformer.training.diagnostics import KEPT, DivergenceError
from numpy_transformer.training.evaluation import Evaluation
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.parallel import Steps
from numpy_transformer.training.reporting import Report
from numpy_transformer.training.run_folder import RunFolder


class Task(ABC):
    """A text, cut into batches, and the measure of a model that learns it."""

    kind: ClassVar[type[Model[Any]]]  # of the model
    example: ClassVar[str]  # what `train_size` counts

    options: TrainingOptions
    tokenizer: Any
    config: TransformerConfig
    train_size: int
    digests: dict[str, str]  # of the texts: a resumed run must have the same

    def make_model(self) -> Model[Any]:
        """A fresh model of the run."""
        options = self.options
        model = self.kind(
            self.config,
            seed=options.seed,
            device=options.device,
            precision=options.precision,
            recompute=options.recompute,
            philox=options.philox,
        )
        model.tokenizer_digest = self.tokenizer.digest
        return model

    @property
    @abstractmethod
    def batches_per_epoch(self) -> int:
        """How many batches one pass over the text has, about."""

    @abstractmethod
    def batches(self, start: int) -> Iterator[tuple[int, TrainingBatch]]:
        """(epoch, batch) without end, skipping the first `start`: a function of the seed only."""

    def updates(self, step: int) -> Iterator[tuple[int, list[TrainingBatch]]]:
        """(epoch, the batches of one update) without end, from the one after update number `step`."""
        count = self.options.accumulate
        stream = self.batches(step * count)
        for epoch, batch in stream:
            yield epoch, [batch, *(next(stream)[1] for _ in range(count - 1))]

    @abstractmethod
    def largest_batch(self) -> TrainingBatch:
        """A batch of the first epoch that needs as much memory as any; those of other epochs are of about its size."""

    def largest_update(self) -> list[TrainingBatch]:
        """The batches of an update that needs as much memory as any: a sum of gradients is kept from the second on."""
        return [self.largest_batch()] * min(2, self.options.accumulate)

    @abstractmethod
    def validation_batches(self) -> Sequence[TrainingBatch]:
        """The whole validation text, always the same batches."""

    @abstractmethod
    def evaluate(self, model: Model[Any], loss: float, workers: Steps) -> Evaluation:
        """What the model can do, beside its validation `loss`."""

    @abstractmethod
    def test(self, model: Model[Any], workers: Steps) -> Evaluation:
        """What the finished model can do with the test text, or the validation text if there is none."""

    @abstractmethod
    def final_words(self) -> str:
        """What `test` is about to do, for the display."""

    @abstractmethod
    def try_it(self, run: str) -> str:
        """The command that uses the model of the folder `run`."""

    def before(self, model: Model[Any], workers: Steps) -> Evaluation | None:
        """What the model that the run goes on from can do, measured as `test` does; None: it has not learned this."""
        return self.test(model, workers)

    def notes(self, report: Report, model: Model[Any], *, workers: int, steps_per_epoch: int) -> None:
        """Tell the user what to know before the run."""
        report.too_few_steps(steps_per_epoch)

    def write_files(self, folder: RunFolder) -> None:  # noqa: B027 (most tasks keep nothing)
        """What a new run keeps of its text, beside tokenizer and configuration."""

    def validation_loss(self, model: Model[Any], workers: Steps) -> float:
        """Cross-entropy in nats per prediction, without label smoothing or dropout."""
        model, batches = model.quantised(), self.validation_batches()
        token_count = sum(batch.token_count for batch in batches)
        losses = workers.map(
            lambda batch: float(model.loss(*batch.inputs, label_smoothing=0.0, token_count=token_count)), batches
        )
        return sum(losses)

    def finite_validation_loss(self, model: Model[Any], workers: Steps, step: int) -> float:
        """The same. Raises DivergenceError if it is not finite."""
        loss = self.validation_loss(model, workers)
        if not math.isfinite(loss):
            raise DivergenceError(f"the validation loss at step {step} is {loss}; {KEPT}")
        return loss
