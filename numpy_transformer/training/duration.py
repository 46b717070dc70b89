"""How long a run lasts: when it is over, how much of it is done, and how much time it still needs."""

import time

from numpy_transformer.training.options import TrainingOptions

LEAST_GAIN = 0.001  # of the run: from less than this, the time left cannot be told


class Duration:
    """The clock of a run, and the end that its options set.

    `started` is when the program began, by time.monotonic(); None means now.
    """

    def __init__(self, options: TrainingOptions, *, steps_per_epoch: int, started: float | None = None) -> None:
        self.options = options
        self.steps_per_epoch = steps_per_epoch
        self.earlier_seconds = 0.0  # of work before this sitting, for a run that was resumed
        self._started = time.monotonic() if started is None else started
        self._first_step = self._started, 0.0  # when the steps of this sitting began, and what was done by then

    def seconds(self) -> float:
        """Of work on this run, over all its sittings."""
        return time.monotonic() - self._started + self.earlier_seconds

    def is_over(self, step: int, epoch: int) -> bool:
        """Whether the run has reached its last step, its last epoch or its last minute."""
        options = self.options
        return (
            (options.steps is not None and step >= options.steps)
            or (options.epochs is not None and epoch >= options.epochs)
            or (options.minutes is not None and self.seconds() >= 60 * options.minutes)
        )

    def fraction_done(self, step: int) -> float:
        """0 to 1; the nearest of the ends counts."""
        options = self.options
        fraction = max(
            0 if options.steps is None else step / options.steps,
            0 if options.epochs is None else step / (options.epochs * self.steps_per_epoch),
            0 if options.minutes is None else self.seconds() / (60 * options.minutes),
        )
        return min(1.0, fraction)

    def steps_begin(self, step: int) -> None:
        """The steps of this sitting begin now: what came before says nothing about the time left."""
        self._first_step = time.monotonic(), self.fraction_done(step)

    def seconds_left(self, step: int) -> float | None:
        """At the speed of this sitting; None as long as too little is done to tell."""
        (began, done_before), done = self._first_step, self.fraction_done(step)
        gained = done - done_before
        return (time.monotonic() - began) * (1 - done) / gained if gained > LEAST_GAIN else None
