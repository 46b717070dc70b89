"""Sums over ranks that begin while the backward still runs (gradient buckets; Li et al. 2020, "PyTorch Distributed").

The flat buffer is cut into buckets. Each holds whole layers, since a backward says when it has left a layer, and enough
of them that the time to begin a sum is small beside the sum. Buckets are summed in the order in which the backward,
which goes from the last layer to the first, completes them; what belongs to no layer, such as the table, comes last.
The order follows from the model alone, so that all ranks make the same sums in the same order.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple

from numpy_transformer.layers.parameters import Parameters

LEAST_NUMBERS = 1 << 18  # 1 MB of float32


class Bucket(NamedTuple):
    part: slice  # of the flat buffer
    layers: int  # how many layers must be complete; 0: only the end of the backward will tell


def bucket_plan(parameters: Parameters[Any], least: int = LEAST_NUMBERS) -> list[Bucket]:
    """All of the flat buffer, in the order in which a backward completes it."""
    buckets: list[Bucket] = []
    rest: list[Bucket] = []
    start = len(parameters.flat)  # of what is in a bucket already
    for _, part in reversed(parameters.layers()):
        if part.stop < start:
            rest.append(Bucket(slice(part.stop, start), 0))
        last = buckets[-1] if buckets else None
        if last is not None and last.part.start == part.stop and last.part.stop - last.part.start < least:
            buckets[-1] = Bucket(slice(part.start, last.part.stop), last.layers + 1)
        else:
            buckets.append(Bucket(part, 1))
        start = part.start
    if start:
        rest.append(Bucket(slice(0, start), 0))
    return buckets + rest


class BucketSums:
    """The sums of one backward by `workers` threads. Each bucket's begins when all of them have left it, in the order
    of the plan, on the one thread of `executor`, so that the backward goes on meanwhile."""

    def __init__(self, plan: Sequence[Bucket], workers: int, add: Callable[[slice], None], executor: Executor) -> None:
        """`add` sums a part of the flat buffer over workers and ranks."""
        self._plan, self._add, self._executor = plan, add, executor
        self._left = [bucket.layers * workers for bucket in plan]  # layers that are not complete yet
        self._begun: list[Future[None]] = []
        self._lock = threading.Lock()

    def layer_done(self, part: slice) -> None:
        """One worker's backward has left the layer that stands there; called by the worker."""
        with self._lock:
            number = next(
                i for i, bucket in enumerate(self._plan) if bucket.part.start <= part.start < bucket.part.stop
            )
            self._left[number] -= 1
            while (next_one := len(self._begun)) < len(self._plan) and self._left[next_one] == 0:
                if not self._plan[next_one].layers:
                    break
                self._begin()

    def finish(self) -> float:
        """The backward is over on all workers: sum what is left, and wait for all. Returns the seconds of waiting."""
        began = time.perf_counter()
        with self._lock:
            while len(self._begun) < len(self._plan):
                self._begin()
        for sum_of_bucket in self._begun:
            sum_of_bucket.result()
        return time.perf_counter() - began

    def _begin(self) -> None:
        self._begun.append(self._executor.submit(self._add, self._plan[len(self._begun)].part))
