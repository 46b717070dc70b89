"""Name the mistake in a gradient: compare a wrong array with the right one and say what kind of difference it is.

Every mistake leaves a trace of its own in the two arrays, g (wrong) and e (right):

    a forgotten factor       g = c e            one number c for all entries; c = -1 is a wrong sign
    a factor per position    g = c e            c differs along one axis only: a gain or a deviation is missing
    a forgotten mean         g = e + c          c is the same along an axis: a mean over it was not subtracted
    a forgotten mask         g = e              at most entries, and e = 0 at the others
    a forgotten transpose    g = e^T            or the same numbers in another order
    a forgotten assignment   g = nan            gradients start as NaN

>>> diagnose(np.array([2.0, -4.0, 6.0]), np.array([1.0, -2.0, 3.0]))
'every entry is 2 times what it should be: a factor is missing, or stands there twice'
>>> diagnose(np.array([1.0, 5.0, 3.0]), np.array([1.0, 0.0, 3.0]))
'2 of 3 entries are right; the others should be 0: a mask is missing'
"""

from collections.abc import Mapping

import numpy as np

from numpy_transformer.backend.arrays import Array

TOLERANCE = 1e-6  # of the largest right entry: far above rounding, far below any mistake
LARGEST_SIZE = 10_000  # the largest whole number that is looked for in a factor


def diagnose(found: Array, expected: Array, *, others: Mapping[str, Array] | None = None) -> str:
    """What is wrong with the gradient `found`, as one clause without a full stop; "" if no rule explains it.

    found, expected: host arrays of real numbers, of any shapes.
    others: right gradients under their names; `found` may be one of them.

    Also "" if the two are equal.
    """
    if _equal(found, expected):
        return ""
    for name, other in (others or {}).items():
        if _equal(found, other) and not _equal(other, expected):
            return f"it is the gradient of {name}: two results are exchanged"
    if found.shape != expected.shape:
        return _of_shapes(found, expected)
    if not np.isfinite(found).all():
        return _of_unwritten(found)
    if not found.any():
        return "every entry is 0: nothing was added, or the mask is upside down"
    if not expected.any():
        return "every entry should be 0"
    found, expected = np.atleast_1d(found), np.atleast_1d(expected)
    rules = (_factor, _signs, _order, _mask, _offset, _factor_along, _sums, _some_right)
    return next(filter(None, (rule(found, expected) for rule in rules)), "")


def recognised(number: float) -> str:
    """The number, and what it is: "0.57735 = 1/sqrt(3)"; whole numbers and their inverses and roots are known.

    >>> recognised(-4.0), recognised(3**-0.5), recognised(0.7)
    ('-4', '0.57735 = 1/sqrt(3)', '0.7')
    """
    sign, size = ("-" if number < 0 else ""), abs(number)
    short = f"{number:.5g}"
    for power, form in ((1, "{}"), (-1, "1/{}"), (2, "sqrt({})"), (-2, "1/sqrt({})")):
        whole = round(size**power) if 1e-8 < size < 1e8 else 0
        if 1 <= whole <= LARGEST_SIZE and abs(size**power - whole) <= TOLERANCE * whole:
            name = sign + form.format(whole)
            return short if name == short else f"{short} = {name}"
    return short


def _equal(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(_close(a, b).all())


def _close(found: Array, expected: Array) -> Array:
    """Which entries agree, within TOLERANCE of the largest right one."""
    return np.abs(found - expected) <= TOLERANCE * np.abs(expected).max(initial=0)


def _of_shapes(found: Array, expected: Array) -> str:
    shapes = f"its shape is {found.shape}; it should be {expected.shape}"
    if found.ndim >= 2 and _equal(found.swapaxes(-1, -2), expected):
        return f"{shapes}: the transpose is missing"
    extra = found.ndim - expected.ndim
    if extra > 0 and _equal(found.sum(axis=tuple(range(extra))), expected):
        return f"{shapes}: the sum over the leading axes is missing"
    if found.size == expected.size and _equal(found.reshape(expected.shape), expected):
        return f"{shapes}: the numbers are right, a reshape is missing"
    return shapes


def _of_unwritten(found: Array) -> str:
    broken = int((~np.isfinite(found)).sum())
    if np.isnan(found).all():
        return "it was never assigned"
    return f"{broken} of {found.size} entries are nan or infinite: not assigned, added to, or divided by 0"


def _factor(found: Array, expected: Array) -> str:
    """found = c expected, with one c for all entries."""
    factor = float((found * expected).sum() / (expected * expected).sum())
    if not _equal(found, factor * expected):
        return ""
    if abs(factor + 1) <= TOLERANCE:
        return "the sign is wrong: every entry is -1 times what it should be"
    size = abs(factor)
    axes = [
        axis
        for axis, length in enumerate(found.shape)
        if length > 1 and any(abs(size - c) <= TOLERANCE * c for c in (length, 1 / length, length**0.5, length**-0.5))
    ]
    reason = "a factor is missing, or stands there twice"
    if axes:
        reason = f"{found.shape[axes[0]]} is the length of axis {' and '.join(map(str, axes))}"
    return f"every entry is {recognised(factor)} times what it should be: {reason}"


def _signs(found: Array, expected: Array) -> str:
    if not _equal(np.abs(found), np.abs(expected)):
        return ""
    wrong = int((~_close(found, expected)).sum())
    return f"the sizes are right, but {wrong} of {found.size} entries have the wrong sign"


def _order(found: Array, expected: Array) -> str:
    """The same numbers in other places."""
    if found.ndim >= 2 and _equal(found.swapaxes(-1, -2), expected):
        return "it is the transpose of what it should be"
    if not _equal(np.sort(found, axis=None), np.sort(expected, axis=None)):
        return ""
    return "the right numbers stand in the wrong places: exchanged axes, or a reshape in another order"


def _mask(found: Array, expected: Array) -> str:
    """Some entries are right; at the others one of the two arrays is 0, or one factor explains them."""
    right = _close(found, expected)
    wrong = ~right
    if not right.any():
        return ""
    clause = _rightly(right)
    if not expected[wrong].any():
        return f"{clause}; the others should be 0: a mask is missing"
    if not found[wrong].any():
        return f"{clause}; the others are 0: a mask too many, or never written"
    factor = float((found * expected)[wrong].sum() / (expected * expected)[wrong].sum())
    if wrong.sum() > 1 and _equal(found, np.where(wrong, factor * expected, expected)):
        return f"{clause}; the others are {recognised(factor)} times what they should be"
    return ""


def _offset(found: Array, expected: Array) -> str:
    """found = expected + c, with the same c along an axis."""
    difference = found - expected
    if found.size > 1 and _equal(difference, np.broadcast_to(difference.mean(), difference.shape)):
        much = "large" if difference.mean() > 0 else "small"
        return f"every entry is too {much} by the same {abs(float(difference.mean())):.5g}: a mean was not subtracted"
    for axis in reversed(range(found.ndim)):
        shared = np.broadcast_to(difference.mean(axis=axis, keepdims=True), difference.shape)
        if found.shape[axis] > 1 and _equal(difference, shared):
            return f"off by the same amount along {_axis(axis, found)}: a mean or a sum over it was not subtracted"
    return ""


def _factor_along(found: Array, expected: Array) -> str:
    """found = c expected, where c is a vector that differs along one axis only."""
    for axis in reversed(range(found.ndim)):
        rest = tuple(other for other in range(found.ndim) if other != axis)
        squares = (expected * expected).sum(axis=rest, keepdims=True)
        factors = np.divide((found * expected).sum(axis=rest, keepdims=True), squares, where=squares > 0, out=squares)
        if found.size > found.shape[axis] and _equal(found, factors * expected):
            return f"a factor that differs along {_axis(axis, found)} is missing, such as a gain or a weight for each"
    squares = (expected * expected).sum(axis=-1, keepdims=True)
    factors = np.divide((found * expected).sum(axis=-1, keepdims=True), squares, where=squares > 0, out=squares)
    if found.shape[-1] > 1 and _equal(found, factors * expected):
        return "each row is off by a factor of its own: a factor for each position is missing, such as 1/deviation"
    return ""


def _sums(found: Array, expected: Array) -> str:
    """The right rows sum to 0 and these do not: the layer undoes a shift of the whole row."""
    largest = np.abs(expected).max()
    if found.shape[-1] < 2 or (np.abs(expected.sum(axis=-1)) > TOLERANCE * largest).any():
        return ""
    if (np.abs(found.sum(axis=-1)) <= TOLERANCE * largest).all():
        return ""
    return "each row should sum to 0, and does not: what shifts a whole row has to be subtracted"


def _some_right(found: Array, expected: Array) -> str:
    """Where the wrong entries are, if they fill only a part of an axis."""
    right = _close(found, expected)
    if not right.any():
        return ""
    for axis, length in enumerate(found.shape):
        places = np.flatnonzero((~right).any(axis=tuple(other for other in range(found.ndim) if other != axis)))
        if 2 * len(places) <= length:
            return f"{_rightly(right)}; the wrong ones are at {places.tolist()} of {_axis(axis, found)}"
    return _rightly(right)


def _rightly(right: Array) -> str:
    return f"{int(right.sum())} of {right.size} entries are right"


def _axis(axis: int, x: Array) -> str:
    return "the last axis" if axis == x.ndim - 1 else f"axis {axis}"
