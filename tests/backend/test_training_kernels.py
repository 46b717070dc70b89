"""More kernels of a training step, as in test_kernels.py: NumPy twins and emulation against the reference."""

import re
from functools import partial

import numpy as np
import pytest
import strict_gpu
from hypothesis import given, settings
from hypothesis import strategies as st
from on_card import run_on_card
from test_kernels import assembly, assert_near, carry_out, executed, numbers

from numpy_transformer.backend.arrays import to_host
from numpy_transformer.backend.kernels import launcher
from numpy_transformer.backend.kernels import output_loss as output_loss_kernel
from numpy_transformer.backend.kernels.adam import guarded_adam_update
from numpy_transformer.backend.kernels.bias import add_bias, column_sums, relu_backward
from numpy_transformer.layers import embedding, output_loss
from numpy_transformer.training.optimizer import Adam

__all__ = ["executed"]  # a fixture

DTYPES = ["float32", "float64"]


def shifted(x, offset):
    """The array on the card, starting `offset` numbers after a 16-byte boundary."""
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
            self.card_adam.first_moment,
            self.card_adam.second_moment,
            beta1=self.card_adam.beta1,
            beta2=self.card_adam.beta2,
            epsilon=self.card_adam.epsilon,
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
@pytest.mark.parametrize(("n", "offset"), [(1, 0), (7, 0), (1000, 0), (1003, 1), (20_001, 0)])
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
            run.card_adam.first_moment,
            run.card_adam.second_moment,
            beta1=run.card_adam.beta1,
            beta2=run.card_adam.beta2,
            epsilon=run.card_adam.epsilon,
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
    y = forward(xp.asarray(ids), embedding.EmbeddingParameters(weight))
    embedding.embedding_backward(dy, xp.asarray(ids), embedding.EmbeddingParameters(gradient))
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
    "two sentences": [[1, 2, 3], [4, 5, 3]],
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


# --- Bias, ReLU and column sums ---


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "offset"),
    [
        ((1, 1), 0),
        ((3, 7), 0),
        ((9, 128), 0),
        ((9, 128), 1),
        ((70, 132), 0),
        ((300, 6), 0),
        ((0, 4), 0),
        ((65, 300), 2),
    ],
)
def test_bias_and_relu(shape, offset, dtype):
    y, dy, bias = (numbers(s, dtype, n) for n, s in enumerate([shape, shape, shape[1:]]))
    hidden, plain, device_bias = shifted(y, offset), shifted(y, offset), shifted(bias, 1)
    add_bias(plain, device_bias)
    assert_near(plain, y + bias, dtype)
    add_bias(hidden, device_bias, relu=True)
    activated = np.maximum(y + bias, 0)
    assert_near(hidden, activated, dtype)

    dbias, sums = (strict_gpu.empty(shape[1:], dtype=dtype) for _ in range(2))
    dhidden = shifted(dy, offset)
    relu_backward(dhidden, hidden, dbias=dbias)
    expected = dy * (activated > 0)
    assert_near(dhidden, expected, dtype)
    assert_near(dbias, expected.sum(axis=0), dtype)
    column_sums(dhidden, out=sums)
    assert to_host(sums).tobytes() == to_host(dbias).tobytes()  # the same order


@pytest.mark.usefixtures("executed")
def test_relu_hides_no_nan():
    x = strict_gpu.asarray(np.array([[np.nan, -1.0, np.inf, -np.inf]]))
    add_bias(x, strict_gpu.zeros(4), relu=True)
    np.testing.assert_array_equal(to_host(x), [[np.nan, 0, np.inf, 0]])


# --- Output projection and loss ---


def loss_and_gradients(x, weight, bias, targets, label_smoothing, xp):
    x, targets, *parameters = (xp.asarray(array) for array in (x, targets, weight, bias))
    parameters = output_loss.OutputParameters(*parameters)
    options = {"label_smoothing": label_smoothing, "token_count": 7}
    gradients = output_loss.OutputParameters(*(xp.empty_like(p) for p in parameters))
    loss, dx = output_loss.output_loss_and_gradients(x, parameters, targets, gradients, **options)
    alone = output_loss.output_loss(x, parameters, targets, **options)
    assert to_host(alone) == to_host(loss)
    return loss, dx, *gradients


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize(
    ("N", "V", "chunk"), [(1, 1, 5), (5, 7, 2), (6, 33, 6), (130, 64, 64), (2, 9001, 2), (0, 4, 1)]
)
def test_output_loss(N, V, chunk, label_smoothing, dtype, monkeypatch):
    """Also in chunks, the last of them shorter, and in rows that do not fill their padding, which holds NaN."""
    monkeypatch.setattr(output_loss_kernel, "PADDED_TO", 4)
    monkeypatch.setattr(output_loss_kernel, "LOGITS", chunk * (-(-V // 4) * 4))
    x, weight, bias = (numbers(s, dtype, n) for n, s in enumerate([(N, 5), (V, 5), (V,)]))
    targets = np.random.default_rng(1).integers(0, V, N)
    arrays = x, weight, bias, targets, label_smoothing
    for expected, found in zip(loss_and_gradients(*arrays, np), loss_and_gradients(*arrays, strict_gpu), strict=True):
        assert_near(found, np.asarray(expected), dtype)


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("V", [7, 64, 1101])
def test_a_row_of_logits_is_the_same_kept_or_read_again(V, monkeypatch):
    arrays = (
        *(numbers(s, "float32", n) for n, s in enumerate([(3, 5), (V, 5), (V,)])),
        np.array([0, V - 1, V // 2]),
        0.1,
    )
    kept = loss_and_gradients(*arrays, strict_gpu)
    monkeypatch.setattr(output_loss_kernel, "shared_memory", lambda xp: 0)
    for one, other in zip(kept, loss_and_gradients(*arrays, strict_gpu), strict=True):
        assert to_host(one).tobytes() == to_host(other).tobytes()


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_logit_that_is_not_finite_makes_such_a_loss(bad):
    logits = strict_gpu.asarray(np.array([[1.0, 2, 3, bad, 5], [1, 2, 3, 4, 5]]))
    losses = strict_gpu.empty((2,))
    arrays = logits, strict_gpu.asarray(np.array([1, 2])), losses
    output_loss_kernel.IN_PLACE.launch(logits, (2,), 32, *arrays, 5, 5, 1, 1.0, 0.1, 0)
    assert np.isfinite(to_host(losses)).tolist() == [False, True]


# --- How kernels are carried out on a card ---


def test_what_goes_to_a_card_comes_back(monkeypatch):
    """The same arrays twice, some with gaps between rows or odd addresses; the stand-in is the card."""
    carry_out(monkeypatch, partial(run_on_card, strict_gpu, launcher.Kernel.launch))
    test_adam(1003, 1, 1.0, "float32")
    check_embedding(np.array([[5] * 40 + [3]]), 8, "float64", offset=1)
    test_bias_and_relu((65, 300), 2, "float32")
    test_output_loss(5, 7, 2, 0.1, "float64", monkeypatch)


# --- What the compiler makes of them ---

TOGETHER = ["squares", "adam_update", "embedding_forward", "input_embedding_forward", "embedding_pieces", "add_bias",
            "add_bias_relu", "column_sums", "relu_backward", "cross_entropy_in_place", "dropout", "residual_forward",
            "residual_norm_forward", "residual_backward", "residual_norm_backward", "softmax_forward",
            "softmax_backward"]  # fmt: skip


@pytest.mark.parametrize("architecture", ["compute_75", "compute_90"])
@pytest.mark.parametrize(("dtype", "instruction"), [("f", ".v4.f32"), ("d", ".v2.f64")])
def test_sixteen_bytes_move_at_once(dtype, instruction, architecture):
    """NVRTC's assembly has a load of four floats, or two doubles, in each kernel that should, and a store like it."""
    for file in ("adam", "embedding", "bias", "cross_entropy", "dropout", "residual", "softmax"):
        text = assembly(architecture, launcher.source(file), launcher.options(dtype))
        kernels = {part.partition("(")[0]: part for part in text.split(".entry ")[1:]}
        for name in kernels.keys() & set(TOGETHER):
            assert re.search(r"ld\.global(\.\w+)*" + re.escape(instruction), kernels[name]), name
            stores = re.search(r"st\.global(\.\w+)*" + re.escape(instruction), kernels[name])
            assert stores or name in ("squares", "column_sums"), name
