"""Adam on the flat parameter buffer (section 5.3; Kingma and Ba 2015).

    m <- b1 m + (1 - b1) g                 mean of the gradient
    v <- b2 v + (1 - b2) g^2               mean of its square
    p <- p - rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon)

Both means start at 0; dividing by 1 - b^t takes that bias out. t counts the updates of the whole model, once each.
Everything is elementwise, so any slice of the buffer may be updated by any worker in any order, with the same result.
"""

import math
from dataclasses import dataclass

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module

# Elements per pass: the five arrays of a chunk stay in a core's second-level cache between the operations on them.
CHUNK = 1 << 15


@dataclass(repr=False)
class Adam:
    """The optimizer's state for a flat buffer of parameters: both moments and the number of updates so far."""

    first_moment: Array  # (n,)
    second_moment: Array  # (n,)
    step: int = 0
    beta1: float = 0.9
    beta2: float = 0.98
    epsilon: float = 1e-9

    @classmethod
    def for_parameters(cls, flat: Array) -> "Adam":
        """A fresh state: both moments zero."""
        xp = array_module(flat)
        return cls(xp.zeros_like(flat), xp.zeros_like(flat))

    def __repr__(self) -> str:
        return f"<Adam after {self.step} updates of {len(self.first_moment):,} parameters>"

    def update(self, parameters: Array, gradients: Array, *, rate: float) -> None:
        """One update of all parameters, in place. All three are flat buffers of one length."""
        self.step += 1
        self.update_slice(parameters, gradients, slice(0, len(parameters)), rate=rate)

    def update_slice(self, parameters: Array, gradients: Array, part: slice, *, rate: float) -> None:
        """The update number `self.step` for one slice of the buffers; the caller counts the step."""
        xp = array_module(parameters)
        step_size = rate / (1 - self.beta1**self.step)
        unbias = 1 / math.sqrt(1 - self.beta2**self.step)
        # On a GPU a launch costs more than a chunk saves. Training there fuses all of this (backend/kernels/adam.py).
        chunk = CHUNK if xp is np else max(1, part.stop - part.start)
        scratch = xp.empty(min(chunk, part.stop - part.start), dtype=parameters.dtype)
        for start in range(part.start, part.stop, chunk):
            elements = slice(start, min(start + chunk, part.stop))
            g, m, v = gradients[elements], self.first_moment[elements], self.second_moment[elements]
            s = scratch[: elements.stop - elements.start]
            m *= self.beta1
            m += xp.multiply(g, 1 - self.beta1, out=s)
            v *= self.beta2
            xp.multiply(g, g, out=s)
            s *= 1 - self.beta2
            v += s
            xp.sqrt(v, out=s)
            s *= unbias
            s += self.epsilon
            xp.divide(m, s, out=s)
            s *= step_size
            parameters[elements] -= s
