"""train.py with --distributed: rank 0 does what train.py does, the others follow it."""

import argparse

from numpy_transformer.errors import InputError


def train_alone_or_not(arguments: argparse.Namespace) -> int:
    """Train as the arguments say, in this process or as one of several. Returns the exit status."""
    from numpy_transformer.commands.train import given_options, train

    if "distributed" not in arguments:
        if "ordered_sum" in arguments:
            raise InputError("--ordered-sum goes with --distributed: there is nothing to add in one process")
        return train(arguments)
    from numpy_transformer.training.distributed.following import follow
    from numpy_transformer.training.distributed.leading import Leader
    from numpy_transformer.training.distributed.ranks import open_ranks

    given = given_options(arguments)
    with open_ranks(arguments.distributed, ordered="ordered_sum" in arguments) as ranks:
        if ranks.rank == 0:
            return train(arguments, leader=Leader(ranks, given))
        follow(ranks, given)
        return 0
