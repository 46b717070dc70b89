"""Data parallelism on a CPU: each worker thread takes some sentences of the batch through the whole model.

NumPy leaves the interpreter lock during its loops, so threads run side by side; each uses single-threaded BLAS and a
gradient buffer of its own. The buffers are summed in a fixed order. The parts' gradients add up to the whole batch's,
because all of them are divided by the token count of the whole batch.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.backend.memory import keep_freed_memory
from numpy_transformer.data.batching import TrainingBatch
from numpy_transformer.models.model import Model
from numpy_transformer.terminal.wording import counted
from numpy_transformer.training.optimizer import Adam

Argument = TypeVar("Argument")
Result = TypeVar("Result")


# A worker with fewer tokens than this waits longer for the others, and for the interpreter, than it computes: products
# that BLAS shares among its own threads are then faster (docs/performance.md, "Workers or BLAS threads").
TOKENS_PER_WORKER = 256
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # "max 100000", or microseconds of CPU time in each period


def allowed_processors() -> list[int]:
    """The numbers of the processors, hyper-threads included, that this process may run on."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return sorted(allowed)


def physical_cores() -> int:
    """The cores this process may use, hyper-threads of one core counted once: the arithmetic units are shared.

    A container that may use only the time of some cores counts as having that many.
    """
    cores = set()
    for cpu in allowed_processors():
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        cores.add(siblings.read_text() if siblings.exists() else str(cpu))
    quota, period = CPU_QUOTA.read_text().split() if CPU_QUOTA.exists() else ("max", "1")
    return len(cores) if quota == "max" else max(1, min(len(cores), round(int(quota) / int(period))))


def default_workers(batch_tokens: int) -> int:
    """One worker for each physical core, but no more than the batch can feed; with only one, BLAS uses threads."""
    return max(1, min(physical_cores(), batch_tokens // TOKENS_PER_WORKER))


class StepResult(NamedTuple):
    loss: float  # label-smoothed, per real target token
    gradient_norm: float  # before clipping
    updated: bool  # False if the loss or a gradient was not finite: the step was skipped
    token_count: int  # real target tokens of the step's batches


class Steps(Protocol):
    """What a trainer asks of the machine: `Workers` on a CPU, `GpuStep` (gpu_step.py) on a GPU."""

    @property
    def workers(self) -> int:
        """How many parts of a text should be worked on at once."""

    @property
    def layout(self) -> str:
        """How the work is divided, in words: with another layout sums have another order, and so other last bits."""

    @property
    def gradients(self) -> Array:
        """The flat gradient of the last step."""

    def map(self, function: Callable[[Argument], Result], arguments: Sequence[Argument]) -> list[Result]:
        """function(argument) for each of them; the results in order."""

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
        """Loss, gradients and one Adam update; the results that are known by now, those of several steps at times."""

    def collect(self) -> list[StepResult]:
        """The results that `step` has not returned yet."""


class Workers:
    """Worker threads, their gradient buffers, and one training step over them.

    With one worker everything runs in the calling thread. A GPU has steps of its own (gpu_step.py).
    """

    def __init__(self, model: Model[Any], workers: int, *, frozen: Sequence[slice] = ()) -> None:
        """`frozen` parts of the flat buffer (freezing.py) get the gradient 0."""
        self.model = model
        self._frozen = frozen
        self.workers = workers
        self._first_part = 0  # the batch is cut into parts; the number of this process's first one
        keep_freed_memory()
        self._buffers = [model.parameters.twin() for _ in range(workers)]
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="worker") if workers > 1 else None
        # Workers already keep every core busy; more BLAS threads would only get in each other's way.
        self._blas_limit = (
            ThreadpoolController().limit(limits=1, user_api="blas") if self._executor is not None else None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the threads and give BLAS its own back."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
        if self._blas_limit is not None:
            self._blas_limit.restore_original_limits()

    @property
    def layout(self) -> str:
        """How the work is divided."""
        return counted(self.workers, "worker")

    @property
    def gradients(self) -> Array:
        """The flat gradient of the last `loss_and_gradients`."""
        return self._buffers[0].flat

    def loss_and_gradients(
        self, batches: Sequence[TrainingBatch], *, seed: Sequence[int] | None, label_smoothing: float
    ) -> float:
        """The loss over all `batches` together (gradient accumulation); leaves the sum in `gradients`."""
        model = self.model.quantised()  # once, for all workers
        token_count = sum(batch.token_count for batch in batches)
        loss = 0.0
        earlier: list[Array] = []
        for number, batch in enumerate(batches):
            shards = batch.shards(self.workers, self.model.config.pad_id)
            key = None if seed is None else (*seed, number)
            losses = self.map(
                partial(self._shard_loss, model, shards, key, label_smoothing, token_count), range(len(shards))
            )
            loss += sum(losses)
            parts = [buffer.flat for buffer in self._buffers[: len(shards)]]
            self._over_slices(partial(sum_into_first, [*parts, *earlier]))
            if number < len(batches) - 1:  # the next batch will overwrite the buffers
                earlier = [self.gradients.copy()]
        for part in self._frozen:
            self.gradients[part] = 0
        return loss

    def _shard_loss(
        self,
        model: Model[Any],
        shards: Sequence[TrainingBatch],
        key: tuple[int, ...] | None,
        label_smoothing: float,
        token_count: int,
        worker: int,
    ) -> float:
        """One worker's part of the loss; its gradient goes into the worker's buffer."""
        loss, _ = model.loss_and_gradients(
            *shards[worker].inputs,
            seed=None if key is None else (*key, self._first_part + worker),
            label_smoothing=label_smoothing,
            token_count=token_count,
            gradients=self._buffers[worker],
        )
        return float(loss)

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
        """Loss, gradients and one Adam update. A gradient that is not finite leaves parameters and moments alone."""
        loss = self.loss_and_gradients(batches, seed=seed, label_smoothing=label_smoothing)
        norm = self._gradient_norm()
        finite = bool(np.isfinite(norm) and np.isfinite(loss))
        if finite:
            adam.step += 1
            shrink = 1.0 if clip is None or norm <= clip else clip / norm
            parameters = self.model.parameters.flat

            def update(part: slice) -> None:
                if shrink != 1.0:
                    self.gradients[part] *= shrink
                adam.update_slice(parameters, self.gradients, part, rate=rate)

            self._over_slices(update)
        return [StepResult(loss, norm, finite, sum(batch.token_count for batch in batches))]

    def collect(self) -> list[StepResult]:
        """The results that `step` has not returned yet: none."""
        return []

    def _gradient_norm(self) -> float:
        squares = self._over_slices(lambda part: float(self.gradients[part] @ self.gradients[part]))
        return float(np.sqrt(sum(squares)))

    def _over_slices(self, function: Callable[[slice], Result]) -> list[Result]:
        """function(slice) over the flat buffer cut into one part per worker; the results in order."""
        edges = np.linspace(0, len(self.gradients), self.workers + 1).astype(int).tolist()
        parts = [slice(start, stop) for start, stop in pairwise(edges)]
        return self.map(function, parts)

    def map(self, function: Callable[[Argument], Result], arguments: Sequence[Argument]) -> list[Result]:
        """function(argument) for each of them, on the worker threads; the results in order."""

        def call(argument: Argument) -> Result:
            with np.errstate(over="ignore", invalid="ignore"):  # `step` looks for what is not finite itself
                return function(argument)

        if self._executor is None:
            return [call(argument) for argument in arguments]
        return list(self._executor.map(call, arguments))


def sum_into_first(buffers: Sequence[Array], part: slice) -> None:
    """One slice of the sum of all buffers, in their order."""
    for buffer in buffers[1:]:
        array_module(buffer).add(buffers[0][part], buffer[part], out=buffers[0][part])
