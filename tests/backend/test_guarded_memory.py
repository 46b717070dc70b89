"""Guards around arrays reveal writes past an end, and computations with the memory there."""

import numpy as np
import pytest
from guarded_memory import GUARD, Guarded, span


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("shape", [(6,), (2, 3), (0,), ()])
def test_what_is_written_comes_back(dtype, shape):
    array = np.arange(max(1, int(np.prod(shape))), dtype=dtype)[: int(np.prod(shape))].reshape(shape)
    guarded = Guarded([array])
    copy = guarded.copy_of(array)
    np.testing.assert_array_equal(copy, array)
    assert not array.size or (copy.ctypes.data - array.ctypes.data) % 64 == 0
    copy += 1
    expected = copy.copy()
    guarded.give_back("a kernel")
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("number", "side"), [(-1, "before the beginning"), (5, "behind the end"), (40, "behind the end")]
)
@pytest.mark.parametrize("act", ["write", "compute"])
def test_guards_see_it(dtype, number, side, act):
    array = np.zeros(5, dtype=dtype)
    guarded = Guarded([array])
    copy = guarded.copy_of(array)
    place = np.ndarray((1,), dtype, guarded._regions[0].copy, GUARD + number * copy.itemsize)
    assert np.isnan(place).all()
    if act == "write":
        place[...] = 0
    else:
        with np.errstate(invalid="ignore"):
            place += 1
    with pytest.raises(AssertionError, match=f"a kernel: writes {side}"):
        guarded.give_back("a kernel")


def test_arrays_that_share_memory_share_it_in_the_copy():
    whole = np.arange(12.0).reshape(3, 4)
    rows, turned, other = whole[1:, :3], whole[::-1], np.zeros(3)
    assert span(turned) == span(whole)
    guarded = Guarded([rows, turned, whole, other])
    guarded.copy_of(rows)[0, 0] = 70
    np.testing.assert_array_equal(guarded.copy_of(whole)[1], [70, 5, 6, 7])
    np.testing.assert_array_equal(guarded.copy_of(turned)[1], [70, 5, 6, 7])
    assert len(guarded._regions) == 2
    guarded.give_back("a kernel")
    assert whole[1, 0] == 70
