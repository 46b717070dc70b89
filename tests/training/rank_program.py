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


def train(
    ranks: Ranks,
    path: str,
    *,
    workers: int,
    dtype: str,
    dropout: float,
    batches: int = 1,
    sentences: int = 7,
    weights: str = "float",
) -> None:
    """Five updates; what each rank has then goes into a file of its own."""
    config = CONFIG.replace(dropout=dropout, attention_dropout=dropout, weights=weights)
    model = Transformer(config, seed=1, dtype=dtype, device=ranks.device)
    adam = Adam.for_parameters(model.parameters.flat)
    adam.epsilon = 1e-3  # as in test_parallel.py
    on_cpu = ranks.device == "cpu"
    steps = RankWorkers(model, workers, ranks, least_bucket=1) if on_cpu else RankGpuStep(model, ranks, least_bucket=1)
    results = []
    with steps as pool:
        for step in range(5):
            parts = make_batches(batches, sentences)
            seed = (4, step) if dropout else None
            results += pool.step(adam, parts, rate=0.01, seed=seed, label_smoothing=0.1, clip=0.5)
        results += pool.collect()
    np.savez(
        f"{path}.{ranks.rank}.npz",
        figures=[[result.loss, result.gradient_norm] for result in results],
        parameters=to_host(model.parameters.flat),
        first=to_host(adam.first_moment),
        second=to_host(adam.second_moment),
    )


if __name__ == "__main__":
    device, folder, cases = sys.argv[1:]
    with open_ranks("mpi" if device == "cpu" else "nccl") as opened:
        for name, (ordered, options) in json.loads(cases).items():
            opened.ordered = ordered
            train(opened, f"{folder}/{name}", **options)
