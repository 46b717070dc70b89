"""The arguments that reach cuBLAS describe the right product, for every layout that the layers use."""

import math

import numpy as np
import pytest
import strict_cublas
import strict_gpu
from hypothesis import given
from hypothesis import strategies as st

from numpy_transformer.backend.arrays import to_host
from numpy_transformer.backend.kernels import arithmetic as kernels_matmul
from numpy_transformer.backend.precision import PRECISIONS, check_precision, precision
from numpy_transformer.errors import InputError
from numpy_transformer.layers.arithmetic import matmul
from numpy_transformer.models.transformer import Transformer

sizes = st.integers(1, 6)


@st.composite
def matrices(draw, leading: tuple[int, ...], rows: int, columns: int):
    """A stack on the card: contiguous, transposed, some columns of a wider one, or with its leading axes swapped."""
    seed = draw(st.integers(0, 2**32 - 1))
    kind = draw(st.sampled_from(["contiguous", "transposed", "wider", "heads"]))
    if kind == "transposed":
        shape = (*leading, columns, rows)
    elif kind == "wider":
        shape = (*leading, rows, columns + draw(sizes))
    elif kind == "heads" and len(leading) == 2:  # (B, T, H, K) seen as (B, H, T, K)
        shape = (leading[0], rows, leading[1], columns)
    else:
        shape = (*leading, rows, columns)
    x = strict_gpu.asarray(np.random.default_rng(seed).standard_normal(shape))
    if kind == "transposed":
        return x.swapaxes(-1, -2)
    if kind == "heads" and len(leading) == 2:
        return x.swapaxes(1, 2)
    return x[..., :columns]


@given(st.data(), st.lists(sizes, min_size=0, max_size=2).map(tuple), sizes, sizes, sizes, st.booleans())
def test_any_layout(data, leading, M, K, N, into_a_view):
    a, b = data.draw(matrices(leading, M, K)), data.draw(matrices(leading, K, N))
    out = data.draw(matrices(leading, M, N)) if into_a_view else None
    y = matmul(a, b, out=out)
    assert out is None or y is out
    np.testing.assert_allclose(to_host(y), to_host(a) @ to_host(b), rtol=0, atol=1e-13)


def test_the_layouts_of_attention_cost_no_copy(monkeypatch):
    B, H, T, S, K = 3, 2, 4, 5, 6
    rng = np.random.default_rng(0)
    projected = strict_gpu.asarray(rng.standard_normal((B, S, 3, H, K)))
    query, key, value = (projected[:, :, part].swapaxes(1, 2) for part in range(3))
    monkeypatch.delitem(strict_gpu.METHODS, "copy")  # a copy would now be an AttributeError
    weights = matmul(query[:, :, :T], key.swapaxes(-1, -2))
    joined = strict_gpu.empty((B, T, H, K))
    matmul(weights, value, out=joined.swapaxes(1, 2))
    expected = (to_host(query[:, :, :T]) @ to_host(key).swapaxes(-1, -2)) @ to_host(value)
    np.testing.assert_allclose(to_host(joined).swapaxes(1, 2), expected, rtol=1e-12)


@given(st.data(), st.lists(sizes, min_size=0, max_size=2).map(tuple), sizes, sizes, sizes)
def test_cublas_is_given_its_arguments_in_order(data, leading, M, K, N):
    """The stand-in for cuBLAS reads memory by address, as the order of the arguments says (strict_cublas.py)."""
    a, b = data.draw(matrices(leading, M, K)), data.draw(matrices(leading, K, N))
    strict_cublas.computations.clear()
    kernels_matmul._plan.cache_clear()
    with precision("tf32"):
        y = matmul(a, b)
        matmul(a.astype("float32"), b.astype("float32"))
    np.testing.assert_allclose(to_host(y), to_host(a) @ to_host(b), rtol=0, atol=1e-13)
    used = {strict_cublas.CUBLAS_COMPUTE_64F, strict_cublas.CUBLAS_COMPUTE_32F_FAST_TF32}
    assert set(strict_cublas.computations) == used


@given(st.data(), sizes, sizes, sizes)
def test_a_product_is_added(data, M, K, N):
    a, b, c = (data.draw(matrices((), *shape)) for shape in ((M, K), (K, N), (M, N)))
    expected = to_host(c) + to_host(a) @ to_host(b)
    kernels_matmul.add_product(a, b, to=c)
    np.testing.assert_allclose(to_host(c), expected, rtol=0, atol=1e-13)


def test_adding_nothing_keeps_what_is_there_and_multiplying_nothing_does_not():
    a, b = strict_gpu.zeros((2, 0)), strict_gpu.zeros((0, 3))
    kept, overwritten = strict_gpu.ones((2, 3)), strict_gpu.ones((2, 3))
    kernels_matmul.add_product(a, b, to=kept)
    matmul(a, b, out=overwritten)
    assert to_host(kept).tolist() == [[1.0] * 3] * 2
    assert not to_host(overwritten).any()


def test_a_product_into_memory_that_holds_nan_does_not_read_it():
    """Fresh memory of the stand-in is NaN, as a card's may be."""
    y = strict_gpu.empty((2, 2))
    matmul(strict_gpu.ones((2, 3)), strict_gpu.ones((3, 2)), out=y)
    assert to_host(y).tolist() == [[3.0, 3.0], [3.0, 3.0]]


def test_the_same_product_is_planned_once():
    a, b = strict_gpu.ones((5, 7)), strict_gpu.ones((7, 3))
    kernels_matmul._plan.cache_clear()
    for _ in range(3):
        matmul(a, b)
    matmul(a[:4], b)
    found = kernels_matmul._plan.cache_info()
    assert (found.hits, found.misses) == (2, 2)


@pytest.mark.parametrize("shapes", [((0, 3), (3, 2)), ((2, 0), (0, 3)), ((2, 3, 4, 0), (2, 3, 0, 5))])
def test_nothing_to_multiply(shapes):
    a, b = (strict_gpu.zeros(shape) for shape in shapes)
    y = to_host(matmul(a, b))
    assert y.shape == (*shapes[0][:-1], shapes[1][-1])
    assert not y.any()


@pytest.mark.parametrize("name", PRECISIONS)
def test_operands_are_rounded_and_sums_are_not(name):
    K = 512
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((K, K)).astype(np.float32) for _ in range(2))
    with precision(name):
        y = to_host(matmul(strict_gpu.asarray(a), strict_gpu.asarray(b)))
    error = np.abs(y - a.astype(np.float64) @ b).max()
    unit = 2.0 ** -PRECISIONS[name]
    # K products, each with two operands rounded by at most one unit, add up like a random walk; and so do the sums.
    assert error < 6 * math.sqrt(2 * K) * unit + K * 2.0**-24 * math.sqrt(K)
    if name != "float32":
        assert error > 0.1 * math.sqrt(K) * unit
    with precision(name):
        wide = to_host(matmul(strict_gpu.asarray(a.astype(np.float64)), strict_gpu.asarray(b.astype(np.float64))))
    np.testing.assert_allclose(wide, a.astype(np.float64) @ b, rtol=0, atol=1e-11)  # float64 is left alone


def test_a_precision_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="one of float32, tf32, bfloat16"):
        check_precision("fp8", np)
    with pytest.raises(InputError, match="needs --device gpu"):
        check_precision("tf32", np)

    class Card:
        class cuda:  # noqa: N801
            @staticmethod
            def Device():  # noqa: N802
                class Turing:
                    compute_capability = "75"

                return Turing

    with pytest.raises(InputError, match=r"8\.0 or newer .* has 7\.5: use --precision float32"):
        check_precision("bfloat16", Card)
    check_precision("float32", Card)
    assert Transformer.__init__.__kwdefaults__["precision"] == "float32"
