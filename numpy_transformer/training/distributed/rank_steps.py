"""The part of a rank in each step, on the device that the options name."""

from collections.abc import Sequence
from typing import Any

from numpy_transformer.models.model import Model
from numpy_transformer.training.distributed.rank_gpu_step import RankGpuStep
from numpy_transformer.training.distributed.rank_workers import RankWorkers
from numpy_transformer.training.distributed.ranks import Ranks, cores_for_each
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import allowed_processors, default_workers, physical_cores
from numpy_transformer.training.task import Task


def rank_steps(
    ranks: Ranks, task: Task, model: Model[Any], adam: Adam, frozen: Sequence[slice]
) -> RankWorkers | RankGpuStep:
    """All ranks begin with rank 0's parameters and moments. Workers: those of the options, or this rank's share of the
    cores."""
    options = task.options
    for array in (model.parameters.flat, adam.first_moment, adam.second_moment):
        ranks.broadcast_array(array)
    if options.device == "gpu":
        return RankGpuStep(model, ranks, frozen=frozen, largest=task.largest_update())
    cores = cores_for_each(ranks, physical_cores(), allowed_processors())
    own = options.workers or min(cores, default_workers(options.batch_tokens // ranks.size))
    return RankWorkers(model, own, ranks, frozen=frozen, blas_threads=max(1, cores // own))
