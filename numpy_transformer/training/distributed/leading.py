"""What rank 0 does beyond train.py: it tells the others what the run is, and each step that it makes.

Evaluations, the test at the end and all files are made by rank 0 alone, while the others wait.
"""

import base64
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.batching import TrainingBatch
from numpy_transformer.errors import InputError
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.model import Model
from numpy_transformer.training.distributed.agreement import check_start, check_texts
from numpy_transformer.training.distributed.rank_gpu_step import RankGpuStep
from numpy_transformer.training.distributed.rank_steps import rank_steps
from numpy_transformer.training.distributed.rank_workers import RankWorkers
from numpy_transformer.training.distributed.ranks import Ranks
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.parallel import StepResult
from numpy_transformer.training.run_folder import RunFolder
from numpy_transformer.training.starting_point import save_tokenizer
from numpy_transformer.training.task import Task
from numpy_transformer.translation.token_ids import ModelTokenizer

Argument = TypeVar("Argument")
Result = TypeVar("Result")

ROWS_LOOKED_AT = 20  # batches


class Leader:
    """Rank 0 of a run. `given` are the options on its command line.

    Raises InputError if another rank was started with other options or code.
    """

    def __init__(self, ranks: Ranks, given: Mapping[str, Any]) -> None:
        self.ranks = ranks
        check_start(ranks, given)

    def announce(self, options: TrainingOptions, tokenizer: ModelTokenizer, config: TransformerConfig | None) -> None:
        """Tell the others what the run is, so that they can prepare their text while rank 0 does.

        Raises InputError for a device that these ranks cannot sum on.
        """
        if options.device != self.ranks.device:
            raise InputError("--distributed mpi goes with --device cpu, --distributed nccl with --device gpu")
        self.ranks.broadcast(
            {
                "options": options.to_dict(),
                "tokenizer": _files_of(tokenizer),
                "config": None if config is None else config.to_json(),
            }
        )

    def check(self, task: Task) -> None:
        """Raises InputError if another rank has another text, or ranks would have nothing to do in most steps."""
        check_texts(self.ranks, {"tokenizer": task.tokenizer.digest, **task.digests})
        batches = task.batches(0)
        rows = sorted(len(next(batches)[1].inputs[0]) for _ in range(ROWS_LOOKED_AT))[ROWS_LOOKED_AT // 2]
        if rows < self.ranks.size:
            raise InputError(
                f"a batch of --batch-tokens {task.options.batch_tokens} has about {rows} rows, fewer than the "
                f"{self.ranks.size} ranks: raise --batch-tokens, or start fewer ranks"
            )

    def steps(self, task: Task, model: Model[Any], adam: Adam, step: int, frozen: Sequence[slice]) -> "LeadingSteps":
        """Steps of all ranks, after update number `step`."""
        self.ranks.broadcast({"step": step, "updates": adam.step})
        return LeadingSteps(self.ranks, rank_steps(self.ranks, task, model, adam, frozen))

    def started_so(self, command: str) -> str:
        """The command line that starts as many ranks of the same kind."""
        kind = ("nccl" if self.ranks.device == "gpu" else "mpi") + (" --ordered-sum" if self.ranks.ordered else "")
        return f"mpiexec -n {self.ranks.size} {command} --distributed {kind}"


class LeadingSteps:
    """The steps of rank 0: those of all ranks. What is mapped stays with rank 0."""

    def __init__(self, ranks: Ranks, own: RankWorkers | RankGpuStep) -> None:
        self._ranks, self._own = ranks, own

    def __enter__(self) -> Self:
        self._own.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._ranks.broadcast(None)
        self._own.__exit__(kind, error, traceback)

    @property
    def workers(self) -> int:
        """Of rank 0."""
        return self._own.workers

    @property
    def layout(self) -> str:
        """How the work is divided."""
        return self._own.layout

    @property
    def gradients(self) -> Array:
        """The flat gradient of the last step, over all ranks."""
        return self._own.gradients

    def map(self, function: Callable[[Argument], Result], arguments: Sequence[Argument]) -> list[Result]:
        """function(argument) for each of them, on rank 0; the results in order."""
        return self._own.map(function, arguments)

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
        """One step of all ranks, who have batches of their own: the same ones."""
        told = {"rate": rate, "seed": seed, "label_smoothing": label_smoothing, "clip": clip}
        self._ranks.broadcast(told)
        return self._own.step(adam, batches, rate=rate, seed=seed, label_smoothing=label_smoothing, clip=clip)

    def collect(self) -> list[StepResult]:
        """The results that `step` has not returned yet."""
        return self._own.collect()


def _files_of(tokenizer: ModelTokenizer) -> dict[str, str]:
    """The files of a tokenizer as they stand in a run folder, as text."""
    with tempfile.TemporaryDirectory() as place:
        save_tokenizer(tokenizer, RunFolder(place))
        return {path.name: base64.b64encode(path.read_bytes()).decode() for path in sorted(Path(place).iterdir())}
