"""A training step that never waits for the GPU, beside the CPU's in parallel.py.

Launching work on a card takes microseconds, and the work runs later. Whoever asks for a number waits until everything
before it is done, and the card then idles until it is given more. So nothing is asked here:

- Parameters, gradients, both moments and the count of updates live on the card. Token ids go in (CuPy copies them
  through pinned memory, and the host goes on while they travel: the next batch is on its way during this step).
- Loss, gradient norm and whether both are finite become a row of a small table on the card. The host reads the table
  once in `RESULTS_EVERY` steps, or when it needs to know (`collect`).
- Memory is taken before the first step. CuPy keeps what arrays have left, and asks the card for more, which makes
  everything wait, only if nothing that it keeps is large enough. So the largest batch goes first, once, for nothing but
  its memory; and a batch that does not fit is known at once.
- A step whose numbers are not finite must change nothing. As the host does not know, the card decides: the kernel
  that updates the parameters (kernels/adam.py) begins by looking at the flag, and leaves.
"""

from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from numpy_transformer.backend.arrays import Array, array_module, to_host
from numpy_transformer.backend.kernels.adam import guarded_adam_update
from numpy_transformer.backend.kernels.sums import sums_together
from numpy_transformer.data.batching import TrainingBatch
from numpy_transformer.errors import InputError
from numpy_transformer.models.model import Model
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import StepResult

RESULTS_EVERY = 10

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class GpuStep:
    """Training steps on one GPU, with the interface of `Workers`; results come in groups.

    `adam.step` is brought up to date by `collect`.
    """

    workers = 1
    layout = "one GPU"

    def __init__(
        self, model: Model[Any], *, frozen: Sequence[slice] = (), largest: Sequence[TrainingBatch] = ()
    ) -> None:
        """`frozen` parts of the flat buffer (freezing.py) get the gradient 0.

        `largest` are the batches of an update that needs as much memory as any: `with` takes it, or raises InputError.
        """
        self.model = model
        self._frozen, self._largest = frozen, largest
        xp = array_module(model.parameters.flat)
        self._gradients = model.parameters.twin()
        self._results = xp.zeros((RESULTS_EVERY, 3), dtype="float64")  # loss, norm, finite: one row a step
        self._token_counts: list[int] = []  # of the steps in the table
        self._updates = xp.zeros((), dtype="int64")  # made so far
        self._adam: Adam | None = None

    def __enter__(self) -> Self:
        if self._largest:
            self.loss_and_gradients(self._largest, seed=(0, 0), label_smoothing=0.0)  # changes only the gradients
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    @property
    def gradients(self) -> Array:
        """The flat gradient of the last step."""
        return self._gradients.flat

    def map(self, function: Callable[[Argument], Result], arguments: Sequence[Argument]) -> list[Result]:
        """function(argument) for each of them: one card, one after the other."""
        return [function(argument) for argument in arguments]

    def loss_and_gradients(
        self, batches: Sequence[TrainingBatch], *, seed: Sequence[int] | None, label_smoothing: float
    ) -> Array:
        """The loss over all `batches` together, a scalar array; leaves the sum of their gradients in `gradients`."""
        model = self.model.quantised()  # once, for all batches
        token_count = sum(batch.token_count for batch in batches)
        loss = array_module(self.gradients).zeros((), dtype=self.gradients.dtype)
        earlier = None
        for number, batch in enumerate(batches):
            attempt = partial(
                model.loss_and_gradients,
                seed=None if seed is None else (*seed, number, 0),  # the seed of a single CPU worker
                label_smoothing=label_smoothing,
                token_count=token_count,
                gradients=self._gradients,
            )
            with sums_together():
                loss = loss + self._batch_loss(attempt, batch)
            if earlier is not None:
                self.gradients[...] += earlier
            if number < len(batches) - 1:  # the next batch will overwrite the buffer
                earlier = self.gradients.copy()
        for part in self._frozen:
            self.gradients[part] = 0
        return loss

    def _batch_loss(self, attempt: Callable[..., tuple[Any, Any]], batch: TrainingBatch) -> Array:
        """The loss of one batch; its gradients go into the buffer. Raises InputError if it does not fit on the card."""
        try:
            return attempt(*batch.inputs)[0]
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
            asked = str(error)
        # Outside the except clause, so that the failed attempt's arrays are gone.
        fitting = self._size_that_fits(attempt, batch)
        remedy = (
            f"{fitting:,} fit: use --batch-tokens {fitting}, with --accumulate for as large an update"
            if fitting
            else "not even one sentence fits: use a smaller model or a shorter --max-length"
        )
        raise InputError(f"a batch of {batch.size:,} positions does not fit on the GPU ({asked}); {remedy}")

    def _size_that_fits(self, attempt: Callable[..., tuple[Any, Any]], batch: TrainingBatch) -> int:
        """Half of the batch, a quarter and so on are tried out; the size of the first that fits, or 0."""
        parts = 2
        while parts < 2 * len(batch.inputs[0]):
            part = batch.shards(parts, self.model.config.pad_id)[0]
            try:
                attempt(*part.inputs)
                return part.size
            except Exception as error:
                if not _is_out_of_memory(error):
                    raise
                parts *= 2
        return 0

    def step(
        self,
        adam: Adam,
        batches: Sequence[TrainingBatch],
        *,
        rate: float,
        seed: Sequence[int] | None,
        label_smoothing: float,
        clip: float | None = None,
    ) -> list[StepResult]:
        """Loss, gradients and one Adam update. Returns the results of several steps at once, or of none yet."""
        if self._adam is not adam:
            self._adam = adam
            self._updates.fill(adam.step)
        loss = self.loss_and_gradients(batches, seed=seed, label_smoothing=label_smoothing)
        guarded_adam_update(
            self.model.parameters.flat,
            self.gradients,
            adam.first_moment,
            adam.second_moment,
            beta1=adam.beta1,
            beta2=adam.beta2,
            epsilon=adam.epsilon,
            loss=loss,
            updates=self._updates,
            results=self._results[len(self._token_counts)],
            rate=rate,
            clip=clip,
        )
        self._token_counts.append(sum(batch.token_count for batch in batches))
        return self.collect() if len(self._token_counts) == RESULTS_EVERY else []

    def collect(self) -> list[StepResult]:
        """The results of the steps since the last ones: waits for the card. Sets `adam.step`."""
        count = len(self._token_counts)
        if not count or self._adam is None:
            return []
        rows = to_host(self._results)[:count].tolist()
        results = [
            StepResult(loss, norm, bool(finite), token_count)
            for (loss, norm, finite), token_count in zip(rows, self._token_counts, strict=True)
        ]
        self._adam.step += sum(result.updated for result in results)
        self._token_counts.clear()
        return results


def _is_out_of_memory(error: Exception) -> bool:
    """CuPy's own pool raises a MemoryError; cuBLAS, which wants memory to work in, has a status of its own."""
    return isinstance(error, MemoryError) or "CUBLAS_STATUS_ALLOC_FAILED" in str(error)
