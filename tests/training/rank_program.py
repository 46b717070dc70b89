"""What the ranks of a test do: `mpiexec -n R python rank_program.py FOLDER CASES` (test_ranks.py)."""

import json
import sys

import numpy as np
from test_parallel import CONFIG, make_batches

from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.distributed.open_ranks import open_ranks
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
    model = Transformer(
        CONFIG.replace(dropout=dropout, attention_dropout=dropout, weights=weights), seed=1, dtype=dtype
    )
    adam = Adam.for_parameters(model.parameters.flat)
    adam.epsilon = 1e-3  # as in test_parallel.py
    figures = []
    with RankWorkers(model, workers, ranks, least_bucket=1) as pool:
        for step in range(5):
            parts = make_batches(batches, sentences)
            seed = (4, step) if dropout else None
            [result] = pool.step(adam, parts, rate=0.01, seed=seed, label_smoothing=0.1, clip=0.5)
            figures.append([result.loss, result.gradient_norm])
    np.savez(
        f"{path}.{ranks.rank}.npz",
        figures=figures,
        parameters=model.parameters.flat,
        first=adam.first_moment,
        second=adam.second_moment,
    )


if __name__ == "__main__":
    folder = sys.argv[1]
    with open_ranks("mpi") as opened:
        for name, (ordered, options) in json.loads(sys.argv[2]).items():
            opened.ordered = ordered
            train(opened, f"{folder}/{name}", **options)
