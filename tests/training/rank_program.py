"""What the ranks of a test do: `mpiexec -n R python rank_program.py cpu|gpu FOLDER CASES` (test_ranks.py)."""

import json
import sys

import numpy as np
from test_parallel import CONFIG, make_batches

from numpy_transformer.backend.arrays import to_host
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.distributed.open_ranks import open_ranks
from numpy_transformer.training.distributed.rank_gpu_step import RankGpuStep
from numpy_transformer.training.distributed.rank_workers import RankWorkers
from numpy_transformer.training.distributed.ranks import Ranks
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import Steps


def five_updates(
    steps: Steps, adam: Adam, *, dropout: float, batches: int = 1, sentences: int = 7
) -> dict[str, np.ndarray]:
    """What there is after five updates of a fresh model."""
    adam.epsilon = 1e-3  # as in test_parallel.py
    results = []
    for step in range(5):
        parts, seed = make_batches(batches, sentences), (4, step) if dropout else None
        results += steps.step(adam, parts, rate=0.01, seed=seed, label_smoothing=0.1, clip=0.5)
    results += steps.collect()
    return {
        "figures": np.array([[result.loss, result.gradient_norm] for result in results]),
        "parameters": to_host(steps.model.parameters.flat),
        "first": to_host(adam.first_moment),
        "second": to_host(adam.second_moment),
    }


def fresh_model(dtype: str, dropout: float, device: str = "cpu", weights: str = "float") -> Transformer:
    config = CONFIG.replace(dropout=dropout, attention_dropout=dropout, weights=weights)
    return Transformer(config, seed=1, dtype=dtype, device=device)


def train(ranks: Ranks, path: str, *, workers: int, dtype: str, dropout: float, weights: str = "float", **size) -> None:
    """What each rank has after five updates goes into a file of its own."""
    model = fresh_model(dtype, dropout, ranks.device, weights)
    on_cpu = ranks.device == "cpu"
    steps = RankWorkers(model, workers, ranks, least_bucket=1) if on_cpu else RankGpuStep(model, ranks, least_bucket=1)
    with steps:
        found = five_updates(steps, Adam.for_parameters(model.parameters.flat), dropout=dropout, **size)
    np.savez(f"{path}.{ranks.rank}.npz", **found)


if __name__ == "__main__":
    device, folder, cases = sys.argv[1:]
    with open_ranks("mpi" if device == "cpu" else "nccl") as opened:
        for name, (ordered, options) in json.loads(cases).items():
            opened.ordered = ordered
            train(opened, f"{folder}/{name}", **options)
