"""The second stage of sums over columns: alone, many in one launch, and at the end of a training step."""

import numpy as np
import pytest
import strict_gpu
from test_kernels import TOLERANCE, assert_near, executed, numbers

from numpy_transformer.backend.arrays import to_host
from numpy_transformer.backend.kernels.bias import column_sums
from numpy_transformer.backend.kernels.sums import MOST_SUMS, add_up, sums_together

__all__ = ["executed"]  # a fixture

SHAPES = [(1, 1), (7, 33), (16, 32), (40, 5), (100, 70)]  # parts, columns


def drawn(shapes, dtype):
    partial = [strict_gpu.asarray(numbers(shape, dtype, seed)) for seed, shape in enumerate(shapes)]
    return [(one, strict_gpu.empty((one.shape[1],), dtype=dtype)) for one in partial]


def check(sums, dtype):
    for partial, out in sums:
        assert_near(out, to_host(partial).astype("float64").sum(axis=0).astype(dtype), dtype)


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_sums_of_several_widths_in_one_launch(dtype):
    together, alone = drawn(SHAPES, dtype), drawn(SHAPES, dtype)
    add_up(*together)
    for one in alone:
        add_up(one)
    check(together, dtype)
    assert [to_host(out).tobytes() for _, out in together] == [to_host(out).tobytes() for _, out in alone]


def test_what_waits_comes_at_the_end_in_as_few_launches_as_it_takes():
    sums = drawn([(3, 2)] * (MOST_SUMS + 1), "float32")
    with strict_gpu.counted() as counts, sums_together():
        for one in sums:
            add_up(one)
        assert counts.launches == 0
    assert counts.launches == 2
    check(sums, "float32")


def test_a_bias_has_the_same_gradient_in_a_step_as_alone():
    x, now, later = strict_gpu.asarray(numbers((70, 9), "float32", 0)), *strict_gpu.empty((2, 9), dtype="float32")
    column_sums(x, out=now)
    with sums_together():
        column_sums(x, out=later)
        assert np.isnan(to_host(later)).all()
    assert to_host(now).tobytes() == to_host(later).tobytes()


def test_an_error_leaves_nothing_waiting():
    sums = drawn([(3, 2)], "float32")

    def fail():
        with sums_together():
            add_up(*sums)
            raise MemoryError

    with pytest.raises(MemoryError):
        fail()
    assert np.isnan(to_host(sums[0][1])).all()
    add_up(*sums)
    check(sums, "float32")
