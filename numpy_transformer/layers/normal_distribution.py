"""The normal distribution: density p(x) = exp(-x^2/2) / sqrt(2 pi), and cumulative probability P(x), of which NumPy has
no form. GELU (activation.py) is made of them.

The tail beyond z >= 0 is  1 - P(z) = P(-z) = exp(-z^2/2) g(u),  where g changes slowly. With u = 8 / (4 + z) - 1, which
takes z = 0 to u = 1 and z = infinity to u = -1, g is a short Chebyshev series (its coefficients were computed with 50
digits), summed by Clenshaw's recurrence:

    g(u) = sum_k c_k T_k(u)        b_k = c_k + 2 u b_(k+1) - b_(k+2)        g = c_0 + u b_1 - b_2

The sum works on complex numbers too, so the derivative checks go through it.
"""

import math

from numpy_transformer.backend.arrays import Array, array_module

# fmt: off
COEFFICIENTS = (
    0.168288201623232726, 0.229157099905409074, 0.0777883550906574178, 0.0203846864182741054,
    0.0039181370454580748, 0.000466660628337917095, 6.28752013213933888e-6, -8.58398579912788001e-6,
    -1.01675761086361994e-6, 1.39752675952132916e-7, 3.66928079148688253e-8, -2.80417889249247118e-9,
    -1.25842241322208467e-9, 8.95022240726024425e-11, 4.53608653098423115e-11, -4.47428765650626682e-12,
    -1.67168790518568395e-12, 2.68378146955383685e-13, 5.72176033313097518e-14, -1.62104826771544401e-14,
    -1.37449408203377841e-15, 9.10143893328046948e-16, -2.27348863068085161e-17, -4.42146381333442085e-17,
)
# fmt: on
SINGLE_TERMS = 10  # those beyond are smaller than a rounding error of float32
FARTHEST = 40.0  # from here on the tail is 0 in every precision, and z^2 must not overflow


def cumulative_and_density(x: Array) -> tuple[Array, Array]:
    """(P(x), p(x)), of any shape."""
    xp = array_module(x)
    positive = x.real > 0
    z = xp.where(positive, x, -x)  # its absolute value
    z = xp.where(z.real < FARTHEST, z, FARTHEST)
    bell = xp.exp(z * z * -0.5)
    tail = bell * _chebyshev_sum(8 / (4 + z) - 1)
    return xp.where(positive, 1 - tail, tail), bell * (1 / math.sqrt(2 * math.pi))


def _chebyshev_sum(u: Array) -> Array:
    single = u.dtype == "float32"
    first, *others = COEFFICIENTS[: SINGLE_TERMS if single else None]
    doubled = 2 * u
    b = later = 0 * u
    for coefficient in reversed(others):
        product = doubled * b
        product -= later
        product += coefficient
        b, later = product, b
    return first + u * b - later
