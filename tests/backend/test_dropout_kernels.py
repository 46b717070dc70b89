"""The dropout kernels give the masks of their references, and neither store nor upload any."""

import numpy as np
import pytest
import strict_gpu
from test_kernels import TOLERANCE, executed, numbers

from numpy_transformer.backend.arrays import to_host
from numpy_transformer.backend.dropout_masks import DropoutMasks, DropoutSite
from numpy_transformer.layers.dropout import dropout_backward, dropout_forward

__all__ = ["executed"]  # a fixture


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    "shape", [(), (5,), (1, 1), (2, 3, 5), (3, 16), (300, 6), (5, 33), (0, 4), (2, 8200), (1, 20_003)]
)
def test_dropout(shape, dtype):
    x, dy = numbers(shape, dtype, 0), numbers(shape, dtype, 1)
    on_cpu, on_gpu = (DropoutMasks(0.3, (5, 1), xp, philox=True) for xp in (np, strict_gpu))
    for _ in range(2):  # sites
        y, cache = dropout_forward(x, on_cpu)
        card = strict_gpu.asarray(x), strict_gpu.asarray(dy)
        with strict_gpu.counted() as counts:
            found, found_cache = dropout_forward(card[0], on_gpu)
            dfound = dropout_backward(card[1], found_cache)
        assert counts.synchronizations == counts.uploads == 0
        assert isinstance(found_cache, DropoutSite)
        for one, other in ((found, y), (dfound, dropout_backward(dy, cache))):
            assert other.dtype == dtype
            np.testing.assert_array_equal(to_host(one), other)


def test_without_masks_it_is_the_identity():
    x = strict_gpu.ones((3, 4))
    y, cache = dropout_forward(x, None)
    assert y is x
    assert dropout_backward(x, cache) is x
