"""What a callback of `nt.train` is told after each step."""

from typing import NamedTuple


class TrainingStep(NamedTuple):
    """One update of the parameters."""

    step: int  # the first is 1
    loss: float  # label-smoothed, per real target token of the step's batches
    gradient_norm: float  # before clipping
    updated: bool  # False if the loss or a gradient was not finite: the step changed nothing
    token_count: int  # real target tokens of the step's batches
    rate: float  # the learning rate
    seconds: float  # since the run began, preparation and earlier sittings included
    best_validation_loss: float | None  # so far; None before the first evaluation
