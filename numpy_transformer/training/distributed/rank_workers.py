"""A step on the worker threads of all ranks together: Workers (parallel.py) whose gradients are summed over ranks, too.

The batch is cut into as many parts as there are workers in all, and each rank takes the parts of its own. So R ranks of
W workers compute what one process of R W workers does, dropout masks included, and add it up in another order. Where
the order is the same, with one worker for each rank and ordered sums (mpi.py), so is every bit.

Every rank updates all parameters, from the same sum. The norm, whose bits depend on the processor, must not differ
between ranks, or a clipped step would: each takes the squares of its own parts, and all add them in one order.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.batching import TrainingBatch
from numpy_transformer.models.backward_progress import told_of_layers
from numpy_transformer.models.model import Model
from numpy_transformer.terminal.wording import counted
from numpy_transformer.training.distributed.buckets import LEAST_NUMBERS, BucketSums, bucket_plan
from numpy_transformer.training.distributed.ranks import Ranks
from numpy_transformer.training.parallel import Workers, sum_into_first


class RankWorkers(Workers):
    """The workers of one rank."""

    def __init__(
        self,
        model: Model[Any],
        workers: int,
        ranks: Ranks,
        *,
        frozen: Sequence[slice] = (),
        blas_threads: int = 1,
        least_bucket: int = LEAST_NUMBERS,
    ) -> None:
        """`workers` of this rank; others may have more or fewer. A single one has `blas_threads` for its products.
        `least_bucket`: numbers in one sum over ranks, but for the last."""
        super().__init__(model, workers, frozen=frozen)
        if self._blas_limit is None:  # a single worker: BLAS would take the cores of other ranks on this host
            self._blas_limit = ThreadpoolController().limit(limits=blas_threads, user_api="blas")
        self._ranks = ranks
        counts = ranks.gather(workers)
        self._parts, self._first_part = sum(counts), sum(counts[: ranks.rank])
        self._plan = bucket_plan(model.parameters, least_bucket)
        self._layers = [{id(tree): part for tree, part in buffer.layers()} for buffer in self._buffers]
        self._adder = ThreadPoolExecutor(1, thread_name_prefix="sums over ranks")
        self._squares: list[float] = []  # of the last gradient, by parts
        self.sum_seconds = 0.0  # what the sums over ranks took in all,
        self.wait_seconds = 0.0  # and how long a backward that was over waited for them

    @property
    def layout(self) -> str:
        """How the work is divided."""
        ordered = " and ordered sums" if self._ranks.ordered else ""
        return f"{counted(self._ranks.size, 'rank')} with {counted(self._parts, 'worker')} in all{ordered}"

    def close(self) -> None:
        self._adder.shutdown(wait=False, cancel_futures=True)  # after a failure it may wait for a rank that is gone
        super().close()

    def loss_and_gradients(
        self, batches: Sequence[TrainingBatch], *, seed: Sequence[int] | None, label_smoothing: float
    ) -> float:
        """The loss over all `batches` together and all ranks; leaves the sum in `gradients`."""
        model = self.model.quantised()  # once, for all workers
        token_count = sum(batch.token_count for batch in batches)
        losses: list[float] = []
        earlier: list[Array] = []
        for number, batch in enumerate(batches):
            shards = batch.shards(self._parts, self.model.config.pad_id)
            shards = shards[self._first_part : self._first_part + self.workers]
            if not shards:  # fewer sentences than parts: this rank adds nothing
                self.gradients[...] = 0
            key = None if seed is None else (*seed, number)
            work = partial(self._shard_loss, model, shards, key, label_smoothing, token_count)
            parts = [self.gradients, *(buffer.flat for buffer in self._buffers[1 : len(shards)]), *earlier]
            if number < len(batches) - 1:
                losses += self.map(work, range(len(shards)))
                self._over_slices(partial(sum_into_first, parts))
                earlier = [self.gradients.copy()]
                continue
            sums = BucketSums(self._plan, len(shards), partial(self._sum_over_ranks, parts), self._adder)
            losses += self.map(partial(self._announced, work, sums), range(len(shards)))
            self.wait_seconds += sums.finish()
        for part in self._frozen:
            self.gradients[part] = 0
        edges = np.linspace(0, len(self.gradients), self._parts + 1).astype(int).tolist()
        own = edges[self._first_part : self._first_part + self.workers + 1]
        squares = self.map(self._square, [slice(*ends) for ends in pairwise(own)])
        told = self._ranks.gather([losses, squares])
        self._squares = [square for _, squares in told for square in squares]
        return sum(loss for losses, _ in told for loss in losses)

    def _announced(self, work: "partial[float]", sums: BucketSums, worker: int) -> float:
        """One worker's part of the loss; `sums` hears of each layer that its backward has left."""
        places = self._layers[worker]

        def heard(layer: Any) -> None:
            if id(layer) in places:
                sums.layer_done(places[id(layer)])

        with told_of_layers(heard):
            return work(worker)

    def _sum_over_ranks(self, parts: Sequence[Array], part: slice) -> None:
        """One bucket: first this rank's workers, in their order, then all ranks."""
        sum_into_first(parts, part)
        began = time.perf_counter()
        self._ranks.sum(self.gradients[part])
        self.sum_seconds += time.perf_counter() - began

    def _square(self, part: slice) -> float:
        return float(self.gradients[part] @ self.gradients[part])

    def _gradient_norm(self) -> float:
        return float(np.sqrt(sum(self._squares)))
