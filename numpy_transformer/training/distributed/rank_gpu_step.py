"""A step on the GPUs of all ranks together: GpuStep (gpu_step.py) whose gradients are summed over ranks, too.

Each rank takes its part of every batch. A second stream makes the sums, beside the one that computes: when the backward
has left the layers of a bucket, an event on the first stream says so to the second, which sums the bucket while the
first goes on. Before the update the first stream waits for the second. The host waits for nothing.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any

from numpy_transformer.backend.arrays import Array, array_module
from numpy_transformer.data.batching import TrainingBatch
from numpy_transformer.models.backward_progress import told_of_layers
from numpy_transformer.models.model import Model
from numpy_transformer.terminal.wording import counted
from numpy_transformer.training.distributed.buckets import LEAST_NUMBERS, BucketSums, bucket_plan
from numpy_transformer.training.distributed.ranks import Ranks
from numpy_transformer.training.gpu_step import GpuStep


class RankGpuStep(GpuStep):
    """Training steps on the GPU of one rank."""

    def __init__(
        self,
        model: Model[Any],
        ranks: Ranks,
        *,
        frozen: Sequence[slice] = (),
        largest: Sequence[TrainingBatch] = (),
        least_bucket: int = LEAST_NUMBERS,
    ) -> None:
        """All ranks have the same `frozen` and `largest` (gpu_step.py), and enter together."""
        super().__init__(model, frozen=frozen, largest=largest)
        self._ranks = ranks
        self.layout = f"{counted(ranks.size, 'rank')} with a GPU each"
        self._plan = bucket_plan(model.parameters, least_bucket)
        self._layers = {id(tree): part for tree, part in self._gradients.layers()}
        self._cuda = array_module(model.parameters.flat).cuda
        self._adding = self._cuda.Stream(non_blocking=True)

    def loss_and_gradients(
        self, batches: Sequence[TrainingBatch], *, seed: Sequence[int] | None, label_smoothing: float
    ) -> Array:
        """The loss over all `batches` together and all ranks, a scalar array; leaves the sum in `gradients`."""
        model = self.model.quantised()  # once, for all batches
        token_count = sum(batch.token_count for batch in batches)
        loss = array_module(self.gradients).zeros((), dtype=self.gradients.dtype)
        earlier: Array | None = None
        for number, batch in enumerate(batches):
            shards = batch.shards(self._ranks.size, self.model.config.pad_id)
            attempt = partial(
                model.loss_and_gradients,
                seed=None if seed is None else (*seed, number, self._ranks.rank),
                label_smoothing=label_smoothing,
                token_count=token_count,
                gradients=self._gradients,
            )
            is_last = number == len(batches) - 1
            sums = BucketSums(self._plan, 1, partial(self._sum_over_ranks, earlier), Immediately())
            if self._ranks.rank >= len(shards):  # fewer sentences than ranks: this one adds nothing
                self.gradients.fill(0)
            else:
                with told_of_layers(partial(self._heard, sums) if is_last else _nobody):
                    loss = loss + self._batch_loss(attempt, shards[self._ranks.rank])
            if is_last:
                sums.finish()
                break
            if earlier is not None:
                self.gradients[...] += earlier
            earlier = self.gradients.copy()
        loss = loss.reshape(1)
        self._beside(partial(self._ranks.sum, loss))
        self._cuda.get_current_stream().wait_event(self._adding.record())
        for part in self._frozen:
            self.gradients[part] = 0
        return loss.reshape(())

    def _heard(self, sums: BucketSums, layer: Any) -> None:
        if id(layer) in self._layers:
            sums.layer_done(self._layers[id(layer)])

    def _sum_over_ranks(self, earlier: Array | None, part: slice) -> None:
        if earlier is not None:
            self.gradients[part] += earlier[part]
        self._beside(partial(self._ranks.sum, self.gradients[part]))

    def _beside(self, work: Callable[[], None]) -> None:
        """On the second stream, after what the first has been given so far."""
        self._adding.wait_event(self._cuda.get_current_stream().record())
        with self._adding:
            work()


class Immediately(Executor):
    """Does what it is given where it is given: on a GPU that takes no time."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """The result is there at once."""
        done: Future[Any] = Future()
        done.set_result(function(*arguments, **options))
        return done


def _nobody(layer: Any) -> None:
    """More batches follow: nothing is complete yet."""
