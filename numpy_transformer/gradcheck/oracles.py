"""Two independent ways to differentiate a function without knowing its formula.

Both see a layer only through its forward function. For inputs x, outputs y = f(x) and a fixed upstream gradient dy they
return the numbers that the layer's backward claims to know: the derivative of  L(x) = sum(dy * f(x)).

Complex step (Squire and Trapp 1998). A layer is an analytic function, so it may be fed a complex number:

    f(x + ih) = f(x) + ih f'(x) - h^2/2 f''(x) - ...      hence      Im f(x + ih) / h = f'(x) - h^2/6 f'''(x) + ...

Nothing is subtracted, so nothing cancels and h may be absurdly small. With h = 1e-20 the neglected term is about 1e-40:
the derivative is as exact as the function itself, a few units in the last place. It needs a forward that is analytic
wherever it is evaluated: no abs, no conjugate, and every choice (a maximum, the mask of ReLU) made on the real part.

Central differences. The textbook rule, in real float64 arithmetic. It never uses complex numbers:

    (f(x + h) - f(x - h)) / 2h = f'(x) + h^2/6 f'''(x) + ...

Two errors work against each other. Truncation, h^2 |f'''| / 6, calls for a small h. Rounding calls for a large h: each
value of f has an error of about u |f|, u = 2^-53 = 1.1e-16, and the division turns it into u |f| / h. If f changes by
its own size over a length l, so that |f'''| is about |f| / l^3, the sum is least at h = (3u)^(1/3) l = 7e-6 l. There it
is about 2e-11 |f| / l: the bottom of a V. Along a direction that moves n numbers at once, l shrinks and the bottom
rises to 1e-8. One step of Richardson's extrapolation lowers it again: D(h / 4) has 1/16 of the truncation error of
D(h), so (16 D(h / 4) - D(h)) / 15 has none of order h^2. The rest is of order h^4, the best step about
u^(1/5) l = 6e-4 l, and the error there about 1e-13 |f| / l. `python -m numpy_transformer.gradcheck --plot FILE.png`
draws all of this.

The length l is not known in advance: for layer norm it is the spread of a row, for attention 1 / (the size of the
keys). So it is measured: steps go down a ladder, each a quarter of the previous one, until two neighbours agree. Twice
their difference is the uncertainty of each value. This also exposes kinks: if a step crosses a corner of ReLU, the
neighbours disagree, and the search goes further down the ladder. An oracle that knows its own uncertainty can be
trusted.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from numpy_transformer.backend.arrays import Array, array_module

Inputs = Mapping[str, Array]
Function = Callable[[Inputs], Array]  # named inputs of any dtype -> one array

COMPLEX_STEP = 1e-20
UNIT_ROUNDOFF = 2.0**-53
LADDER = tuple(4.0**-rung for rung in range(18))  # steps, relative to the largest entry of the input
AGREEMENT = 1e-10  # relative difference of neighbours at which the search stops


class Estimate(NamedTuple):
    value: Any  # the derivative(s)
    uncertainty: Any  # the oracle's estimate of its own error, same shape


def complex_step(
    function: Function, inputs: Inputs, name: str, upstream: Array, *, step: float = COMPLEX_STEP
) -> Array:
    """d sum(upstream * function(inputs)) / d inputs[name], entry by entry, as a float64 host array."""
    inputs = {key: value.astype(np.complex128, order="C") for key, value in inputs.items()}
    x = inputs[name].reshape(-1)  # a view of the copy
    derivative = np.empty(x.shape)
    for i in range(len(x)):
        x[i] += 1j * step
        derivative[i] = float((function(inputs).imag * upstream).sum()) / step
        x[i] = x[i].real
    return derivative.reshape(inputs[name].shape)


def complex_step_along(
    function: Function, inputs: Inputs, directions: Inputs, upstream: Array, *, step: float = COMPLEX_STEP
) -> float:
    """The derivative along `directions`, which names some of the inputs: sum over them of (gradient * direction)."""
    moved = {
        key: value + 1j * step * directions[key] if key in directions else value.astype(np.complex128)
        for key, value in inputs.items()
    }
    return float((function(moved).imag * upstream).sum()) / step


def central_difference(function: Function, inputs: Inputs, directions: Inputs, upstream: Array, step: float) -> float:
    """The plain rule along `directions` with one given step."""

    def moved(sign: int) -> Array:
        return function({k: v + sign * step * directions[k] if k in directions else v for k, v in inputs.items()})

    return float(((moved(+1) - moved(-1)) * upstream).sum()) / (2 * step)


def central_differences_along(function: Function, inputs: Inputs, directions: Inputs, upstream: Array) -> Estimate:
    """The derivative along `directions`, extrapolated, with the best step of the ladder."""
    largest = max(_largest(inputs[name]) for name in directions)
    return _descend(
        lambda step: central_difference(function, inputs, directions, upstream, step),
        [largest * rung for rung in LADDER],
        noise=_noise(function(inputs), upstream),
    )[0]


def central_differences(function: Function, inputs: Inputs, name: str, upstream: Array, *, seed: int = 0) -> Estimate:
    """d sum(upstream * function(inputs)) / d inputs[name], entry by entry; float64 host arrays.

    `seed` draws the direction along which the first step is chosen.
    """
    steps = [_largest(inputs[name]) * rung for rung in LADDER]
    noise = _noise(function(inputs), upstream)
    signs = {name: random_signs(inputs[name], seed)}
    probe, first = _descend(
        lambda step: central_difference(function, inputs, signs, upstream, step), steps, noise=noise
    )
    typical = abs(probe.value) / max(1, inputs[name].size) ** 0.5  # the size of an entry, from a signed sum of all

    inputs = {key: value.astype(np.float64, order="C") for key, value in inputs.items()}
    x = inputs[name].reshape(-1)  # a view of the copy
    value, uncertainty = np.empty(x.shape), np.empty(x.shape)
    for i in range(len(x)):
        middle = float(x[i])

        def difference(step: float, i: int = i, middle: float = middle) -> float:
            above, below = middle + step, middle - step
            x[i] = above
            y_above = function(inputs).copy()  # a layer may return its input itself
            x[i] = below
            change = y_above - function(inputs)
            x[i] = middle
            # x + h and x - h were rounded: divide by the actual step, not the intended one.
            return float((change * upstream).sum()) / (above - below)

        (value[i], uncertainty[i]), _ = _descend(difference, steps[first:], noise=noise, typical=typical)
    shape = inputs[name].shape
    return Estimate(value.reshape(shape), uncertainty.reshape(shape))


def random_signs(like: Array, seed: int) -> Array:
    """A direction of +1 and -1: every entry moves equally far, so none can hide an error."""
    signs = np.random.default_rng(seed).integers(0, 2, like.shape) * 2.0 - 1.0
    return array_module(like).asarray(signs)


def _descend(
    difference: Callable[[float], float], steps: list[float], *, noise: float, typical: float = 0.0
) -> tuple[Estimate, int]:
    """Go down the ladder until two extrapolated neighbours agree: the best estimate, and the rung it starts from.

    The uncertainty includes the rounding bound noise / h, so that two equally wrong neighbours do not look good: with
    a step so small that f does not change at all, every difference is 0.
    """
    values: list[float] = []
    best, best_rung = Estimate(np.nan, np.inf), 0
    for step in steps:
        values.append(difference(step))
        if len(values) < 3:
            continue
        coarse, middle, fine = values[-3:]
        value = (16 * middle - coarse) / 15
        uncertainty = 2 * abs((16 * fine - middle) / 15 - value) + noise / step
        if uncertainty < best.uncertainty:
            best, best_rung = Estimate(value, uncertainty), len(values) - 3
        if uncertainty <= AGREEMENT * max(abs(value), typical):
            break
    return best, best_rung


def _largest(x: Array) -> float:
    return (float(abs(x).max()) if x.size else 0.0) or 1.0


def _noise(y: Array, upstream: Array) -> float:
    """u sum |dy| (|y| + 1): what the last bits of y can do to L.

    The 1 is for values such as log(1 + 1e-11), which are small but were rounded at size 1 on the way.
    """
    return UNIT_ROUNDOFF * float((abs(upstream) * (abs(y) + 1)).sum())
