"""train.py with --distributed: rank 0 does what train.py does, the others follow it."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from numpy_transformer.errors import InputError


def train_as_rank(arguments: argparse.Namespace, given: Mapping[str, Any], train: Callable[..., int]) -> int:
    """Train as the arguments say, as one of several processes; rank 0 calls `train`, which takes a `leader`.

    `given` are the training options among them. Returns the exit status. Raises InputError as `open_ranks` does.
    """
    if "distributed" not in arguments:
        raise InputError("--ordered-sum goes with --distributed: there is nothing to add in one process")
    from numpy_transformer.training.distributed.following import follow
    from numpy_transformer.training.distributed.leading import Leader
    from numpy_transformer.training.distributed.open_ranks import open_ranks

    with open_ranks(arguments.distributed, ordered="ordered_sum" in arguments) as ranks:
        if ranks.rank == 0:
            return train(arguments, leader=Leader(ranks, given))
        follow(ranks, given)
        return 0
