"""A training step that never waits for the GPU, beside the CPU's in parallel.py.

Launching work on a card takes microseconds, and the work runs later. Whoever asks for a number waits until everything
before it is done, and the card then idles until it is given more. So nothing is asked here:

- Parameters, gradients, both moments and the count of updates live on the card. Token ids go in (CuPy copies them
  through pinned memory, and the host goes on while they travel: the next batch is on its way during this step).
- Loss, gradient norm and whether both are finite become a row of a small table on the card. The host reads the table
  once in `RESULTS_EVERY` steps, or when it needs to know (`collect`).
- A step whose numbers are not finite must change nothing. As the host does not know, the card decides: every
  element keeps its old value where the flag says so.
"""

from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from numpy_transformer.backend import Array, array_module, to_host
from numpy_transformer.data.batching import Batch
from numpy_transformer.errors import InputError
from numpy_transformer.model import Transformer
from numpy_transformer.optimizer import Adam
from numpy_transformer.parallel import StepResult

RESULTS_EVERY = 10

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class AdamScalars(NamedTuple):
    """What one update of Adam needs besides the buffers: scalar arrays on the card, in the parameters' dtype."""

    finite: Array  # bool: whether to update at all
    shrink: Array  # gradients are multiplied by this: 1, or less to clip their norm
    step_size: Array  # rate / (1 - beta1^t)
    unbias: Array  # 1 / sqrt(1 - beta2^t)


class GpuStep:
    """Training steps on one GPU, with the interface of `Workers`; results come in groups.

    `adam.step` is brought up to date by `collect`.
    """

    workers = 1

    def __init__(self, model: Transformer) -> None:
        self.model = model
        xp = array_module(model.parameters.flat)
        self._gradients = model.parameters.twin()
        self._results = xp.zeros((RESULTS_EVERY, 3), dtype="float64")  # loss, norm, finite: one row a step
        self._token_counts: list[int] = []  # of the steps in the table
        self._updates: Array | None = None  # scalar: updates made so far
        self._adam: Adam | None = None

    def __enter__(self) -> Self:
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
        self, batches: Sequence[Batch], *, seed: Sequence[int] | None, label_smoothing: float
    ) -> Array:
        """The loss over all `batches` together, a scalar array; leaves the sum of their gradients in `gradients`."""
        token_count = sum(batch.token_count for batch in batches)
        loss = array_module(self.gradients).zeros((), dtype=self.gradients.dtype)
        earlier = None
        for number, batch in enumerate(batches):
            attempt = partial(
                self.model.loss_and_gradients,
                seed=None if seed is None else (*seed, number, 0),  # the seed of a single CPU worker
                label_smoothing=label_smoothing,
                token_count=token_count,
                gradients=self._gradients,
            )
            loss = loss + self._batch_loss(attempt, batch)
            if earlier is not None:
                self.gradients[...] += earlier
            if number < len(batches) - 1:  # the next batch will overwrite the buffer
                earlier = self.gradients.copy()
        return loss

    def _batch_loss(self, attempt: Callable[[Array, Array], tuple[Any, Any]], batch: Batch) -> Array:
        """The loss of one batch; its gradients go into the buffer. Raises InputError if it does not fit on the card."""
        try:
            return attempt(batch.source, batch.target)[0]
        except MemoryError as error:
            asked = str(error)
        # Outside the except clause, so that the failed attempt's arrays are gone.
        fitting = self._size_that_fits(attempt, batch)
        remedy = (
            f"{fitting:,} fit: use --batch-tokens {fitting}, with --accumulate for as large an update"
            if fitting
            else "not even one sentence fits: use a smaller model or a shorter --max-length"
        )
        raise InputError(f"a batch of {_size(batch):,} positions does not fit on the GPU ({asked}); {remedy}")

    def _size_that_fits(self, attempt: Callable[[Array, Array], tuple[Any, Any]], batch: Batch) -> int:
        """Half of the batch, a quarter and so on are tried out; the size of the first that fits, or 0."""
        parts = 2
        while parts < 2 * len(batch.source):
            part = batch.shards(parts, self.model.config.pad_id)[0]
            try:
                attempt(part.source, part.target)
                return _size(part)
            except MemoryError:
                parts *= 2
        return 0

    def step(
        self,
        adam: Adam,
        batches: Sequence[Batch],
        *,
        rate: float,
        seed: Sequence[int] | None,
        label_smoothing: float,
        clip: float | None = None,
    ) -> list[StepResult]:
        """Loss, gradients and one Adam update. Returns the results of several steps at once, or of none yet."""
        xp = array_module(self.gradients)
        if self._adam is not adam:
            self._adam, self._updates = adam, xp.full((), adam.step, dtype="int64")
        loss = self.loss_and_gradients(batches, seed=seed, label_smoothing=label_smoothing)
        norm = xp.sqrt(self.gradients @ self.gradients)
        finite = xp.isfinite(norm) & xp.isfinite(loss)
        self._updates += finite
        row = self._results[len(self._token_counts)]
        row[0], row[1], row[2] = loss, norm, finite
        self._token_counts.append(sum(batch.token_count for batch in batches))

        scalars = _scalars(adam, self._updates, norm, finite, rate=rate, clip=clip)
        guarded_adam_update(self.model.parameters.flat, self.gradients, adam, scalars)
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


def _size(batch: Batch) -> int:
    """What --batch-tokens bounds: positions of the longer side, padding included."""
    return max(batch.source.size, batch.target[:, 1:].size)


def _scalars(adam: Adam, updates: Array, norm: Array, finite: Array, *, rate: float, clip: float | None) -> AdamScalars:
    """The scalars of update number `updates`, computed on the card in float64 and rounded once, like the CPU's."""
    xp = array_module(norm)
    t = xp.maximum(updates.astype("float64"), 1)  # before the first update of all, t is 0 and nothing is used
    shrink = xp.ones((), dtype="float64")
    if clip is not None:
        shrink = clip / xp.maximum(norm.astype("float64"), clip)
    return AdamScalars(
        finite,
        shrink.astype(norm.dtype),
        (rate / (1 - adam.beta1**t)).astype(norm.dtype),
        (1 / xp.sqrt(1 - adam.beta2**t)).astype(norm.dtype),
    )


def guarded_adam_update(parameters: Array, gradients: Array, adam: Adam, scalars: AdamScalars) -> None:
    """Adam in place (optimizer.py), or no change at all where `scalars.finite` is false. Flat buffers of one length."""
    xp = array_module(parameters)
    finite, shrink, step_size, unbias = scalars
    g = gradients * shrink
    m = adam.beta1 * adam.first_moment + (1 - adam.beta1) * g
    v = adam.beta2 * adam.second_moment + (1 - adam.beta2) * (g * g)
    change = step_size * (m / (unbias * xp.sqrt(v) + adam.epsilon))
    xp.copyto(parameters, parameters - change, where=finite)
    xp.copyto(adam.first_moment, m, where=finite)
    xp.copyto(adam.second_moment, v, where=finite)
