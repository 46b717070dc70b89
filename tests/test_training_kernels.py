"""More kernels of a training step, as in test_kernels.py: as NumPy twins and emulated, beside the reference."""

import numpy as np
import pytest
import strict_gpu
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kernels import assert_near, executed, numbers

from numpy_transformer.backend import to_host
from numpy_transformer.layers import embedding
from numpy_transformer.layers.kernels.adam import guarded_adam_update
from numpy_transformer.optimizer import Adam

__all__ = ["executed"]  # a fixture

DTYPES = ["float32", "float64"]


def shifted(x, offset):
    """The array on the card, beginning `offset` numbers behind a place where a load of 16 bytes may."""
    flat = strict_gpu.empty((x.size + offset,), dtype=x.dtype)[offset:]
    view = flat.reshape(x.shape)
    view[...] = strict_gpu.asarray(x)
    return view


# --- Adam ---


class Updates:
    """Some updates of Adam on the CPU, and the same on the card."""

    def __init__(self, n, dtype, offset):
        self.parameters = numbers(n, dtype, 0)
        self.adam = Adam.for_parameters(self.parameters)
        self.on_card = shifted(self.parameters, offset)
        self.card_adam = Adam(*(shifted(np.zeros(n, dtype), offset) for _ in range(2)))
        self.updates = strict_gpu.zeros((), dtype="int64")
        self.results = strict_gpu.zeros((3, 3), dtype="float64")
        self.loss = strict_gpu.full((), 2.5, dtype=dtype)

    def update(self, gradients, clip, offset=0):
        norm = float(np.linalg.norm(gradients.astype("float64")))
        if np.isfinite(norm):
            shrink = 1.0 if clip is None or norm <= clip else clip / norm
            self.adam.update(self.parameters, gradients * gradients.dtype.type(shrink), rate=0.03)
        guarded_adam_update(
            self.on_card,
            shifted(gradients, offset),
            self.card_adam,
            loss=self.loss,
            updates=self.updates,
            results=self.results[1],
            rate=0.03,
            clip=clip,
        )
        return norm

    def check(self, dtype):
        assert int(self.updates) == self.adam.step
        for expected, found in zip(
            (self.parameters, self.adam.first_moment, self.adam.second_moment),
            (self.on_card, self.card_adam.first_moment, self.card_adam.second_moment),
            strict=True,
        ):
            assert_near(found, expected, dtype)


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize(("n", "offset"), [(1, 0), (7, 0), (1000, 0), (1003, 1), (70_001, 0)])
def test_adam(n, offset, clip, dtype):
    run = Updates(n, dtype, offset)
    for seed in range(3):
        norm = run.update(numbers(n, dtype, seed + 1), clip, offset)
        np.testing.assert_allclose(to_host(run.results)[1], [2.5, norm, 1], rtol=1e-5)
    assert not to_host(run.results)[[0, 2]].any()  # the other rows are other steps'
    run.check(dtype)


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [0, 5, 9, "loss"])
def test_adam_changes_nothing_where_a_number_is_not_finite(where, bad):
    run = Updates(10, "float32", 0)
    run.update(numbers(10, "float32", 1), 1.0)
    if where == "loss":
        run.loss.fill(bad)
        before = [to_host(x) for x in (run.on_card, run.card_adam.first_moment, run.card_adam.second_moment)]
        guarded_adam_update(
            run.on_card,
            strict_gpu.ones(10, dtype="float32"),
            run.card_adam,
            loss=run.loss,
            updates=run.updates,
            results=run.results[2],
            rate=0.03,
        )
        assert to_host(run.results)[2, 2] == 0
        for old, new in zip(
            before, (run.on_card, run.card_adam.first_moment, run.card_adam.second_moment), strict=True
        ):
            np.testing.assert_array_equal(to_host(new), old)
    else:
        gradients = numbers(10, "float32", 2)
        gradients[where] = bad
        run.update(gradients, 1.0)
        assert to_host(run.results)[1, 2] == 0
    run.check("float32")


# --- Embedding ---


def embedding_pair(ids, weight, dy, before, xp, offset=0, *, positions):
    def place(x):
        return shifted(x, offset) if xp is strict_gpu else x.copy()

    weight, dy, gradient = map(place, (weight, dy, before))
    forward = embedding.input_embedding_forward if positions else embedding.embedding_forward
    y, cache = forward(xp.asarray(ids), embedding.EmbeddingParameters(weight))
    embedding.embedding_backward(dy, cache, embedding.EmbeddingParameters(gradient))
    return y, gradient


def check_embedding(ids, D, dtype, offset=0):
    V = 12
    weight, dy, before = (numbers(s, dtype, n) for n, s in enumerate([(V, D), (*ids.shape, D), (V, D)]))
    for positions in (False, True):
        arrays = ids, weight, dy, before
        once, again = (embedding_pair(*arrays, strict_gpu, offset, positions=positions) for _ in range(2))
        for expected, found, same in zip(embedding_pair(*arrays, np, positions=positions), once, again, strict=True):
            assert_near(found, expected, dtype)
            assert to_host(found).tobytes() == to_host(same).tobytes()


RUNS = {
    "one token": [[3]],
    "none repeats": [list(range(12))],
    "a run of one window": [[5] * 32],
    "a run that fills windows": [[5] * 64],
    "a run over three windows": [[1] * 30 + [5] * 50 + [7] * 3],
    "two runs meet where a window ends": [[2] * 32 + [4] * 40],
    "no token": [[]],
}


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("D", "offset"), [(6, 0), (8, 0), (8, 1), (132, 0)])
@pytest.mark.parametrize("runs", RUNS)
def test_embedding(runs, D, offset, dtype):
    ids = np.array(RUNS[runs], dtype="int64")
    check_embedding(np.random.default_rng(0).permuted(ids, axis=1), D, dtype, offset)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 4), st.integers(1, 60), st.integers(1, 12), st.sampled_from(["int32", "int64"]), st.integers(0, 99)
)
def test_embedding_twins_are_the_reference(B, T, distinct, kind, seed):
    check_embedding(np.random.default_rng(seed).integers(0, distinct, (B, T)).astype(kind), 6, "float64")
