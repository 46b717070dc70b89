"""Attention's three kernels compared with the layer's own functions in float64, and what they must not keep."""

from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
import strict_gpu
from on_card import run_on_card
from test_kernels import (
    BARRIER,
    assert_near,
    carry_out,
    executed,
    instead_of_the_source,
    needs_compiler,
    numbers,
    run_emulated,
    without_barrier,
)
from test_training_kernels import shifted

from numpy_transformer.backend.arrays import to_host
from numpy_transformer.backend.dropout_masks import DropoutMasks
from numpy_transformer.backend.gpu_twins import textbook
from numpy_transformer.backend.kernels import attention as on_gpu
from numpy_transformer.backend.kernels import launcher
from numpy_transformer.layers import attention, multi_head_attention
from numpy_transformer.layers.attention import AttentionCache, causal_mask
from numpy_transformer.layers.blocked_attention import attention_weights
from numpy_transformer.layers.multi_head_attention import split_heads
from numpy_transformer.layers.softmax import softmax_forward

__all__ = ["executed"]  # a fixture

H = 2


def padding(xp, B, S):
    """(B, 1, 1, S): sentences of S, S - 1, ... keys; the last one has none."""
    lengths = np.maximum(S - np.arange(B), 0)
    lengths[-1] = 0
    return xp.asarray(np.arange(S) < lengths[:, None])[:, None, None, :]


MASKS = {
    "no mask": lambda xp, B, T, S: None,
    "padding": lambda xp, B, T, S: padding(xp, B, S),
    "causal": lambda xp, B, T, S: causal_mask(max(T, S), xp.ones(1))[:T, :S],
    "causal and padding": lambda xp, B, T, S: causal_mask(max(T, S), xp.ones(1))[:T, :S] & padding(xp, B, S),
    "one for each head": lambda xp, B, T, S: xp.asarray(np.arange(H) % 2 == 0)[:, None, None],
}


def draw(B, T, S, K, dtype):
    """The query's projection, that of key and value, dcontext, and the three biases."""
    shapes = [(B, T, H * K), (B, S, 2 * H * K), (B, T, H * K), (3, H * K)]
    return [numbers(shape, dtype, seed) for seed, shape in enumerate(shapes)]


def there_and_back(xp, arrays, mask, p, *, with_bias=True):
    """Everything that the two functions return and write, by name; heads are views, as in multi-head attention."""
    x, memory, dcontext, biases = arrays
    biases = [biases[n] for n in range(3)] if with_bias else [None] * 3
    dropout = DropoutMasks(p, (3, 1), xp, philox=True) if p else None
    if xp is np:  # the layer's own functions
        for part, bias in zip((x, *np.split(memory, 2, axis=-1)), biases, strict=True):
            part += 0 if bias is None else bias
    [query], (key, value), [dcontext_heads] = (split_heads(a, n, H) for a, n in ((x, 1), (memory, 2), (dcontext, 1)))
    dx, dmemory = xp.full_like(x, xp.nan), xp.full_like(memory, xp.nan)
    [dquery], (dkey, dvalue) = split_heads(dx, 1, H), split_heads(dmemory, 2, H)
    gradients = {"dquery": dquery, "dkey": dkey, "dvalue": dvalue}
    if xp is np:
        inputs = {"query": query, "key": key, "value": value}
        _, cache = attention.scaled_dot_product_attention_forward(**inputs, mask=mask, dropout=dropout)
        context = cache.dropped @ cache.value
        attention.scaled_dot_product_attention_backward(dcontext_heads, cache, **gradients)
    else:
        cache = on_gpu.attend(query, key, value, biases=on_gpu.Biases(*biases), mask=mask, dropout=dropout)
        context = cache.context
        on_gpu.attend_backward(dcontext_heads, cache, **gradients)
    return {"context": context, "weights": cache.weights, "dx": dx, "dmemory": dmemory}


SIZES = {  # B, T, S, K
    "one of each": (1, 1, 1, 1),
    "a part of a tile": (3, 7, 13, 4),
    "vectors that end in the middle of a load": (2, 5, 9, 3),
    "one query": (2, 1, 40, 5),
    "several tiles, some hidden": (2, 70, 41, 8),
    "vectors of several loads for each thread": (2, 3, 33, 36),
    "the widest head": (1, 3, 33, 128),
    "a long row": (1, 2, 700, 3),
}


def check(size, dtype, mask, p, *, with_bias=True):
    """Compare with the reference; at odd addresses, where numbers move one by one, they are the same bits."""
    B, T, S, K = SIZES[size]
    arrays = draw(B, T, S, K, dtype)
    exact = [array.astype("float64") for array in arrays]
    expected = there_and_back(np, exact, MASKS[mask](np, B, T, S), p, with_bias=with_bias)
    found, again = (
        there_and_back(
            strict_gpu,
            [shifted(array, offset) for array in arrays],
            MASKS[mask](strict_gpu, B, T, S),
            p,
            with_bias=with_bias,
        )
        for offset in (0, 1)
    )
    for name, value in expected.items():
        assert_near(found[name], value.astype(dtype), dtype)
        assert to_host(found[name]).tobytes() == to_host(again[name]).tobytes(), name


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize(("mask", "p"), [(mask, p) for mask in MASKS for p in (0.0, 0.3)])
@pytest.mark.parametrize("size", SIZES)
def test_attention(size, mask, p):
    check(size, "float32", mask, p)


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("mask", ["no mask", "causal and padding"])
@pytest.mark.parametrize("size", SIZES)
def test_attention_in_float64_and_without_biases(size, mask):
    check(size, "float64", mask, 0.3, with_bias=False)


def test_what_goes_to_a_card_comes_back(monkeypatch):
    """A mask whose rows run backwards, and one shared by many; the stand-in is the card (on_card.py)."""
    carry_out(monkeypatch, partial(run_on_card, strict_gpu, launcher.Kernel.launch))
    for mask in MASKS:
        check("a part of a tile", "float32", mask, 0.3)


SOURCE = launcher.source("attention")
KERNELS_BEGIN = SOURCE.index("// logsum (B, H, T)")
USED = range(SOURCE[:KERNELS_BEGIN].count(BARRIER), SOURCE.count(BARRIER))


@needs_compiler
@pytest.mark.parametrize("missing", [None, *USED])
def test_a_missing_barrier_is_noticed(missing, monkeypatch):
    """By results that depend on the order of the threads, or are wrong in both orders."""
    instead_of_the_source(monkeypatch, "attention", without_barrier(SOURCE, missing))
    carry_out(monkeypatch, run_emulated)
    with nullcontext() if missing is None else pytest.raises(AssertionError):
        check("several tiles, some hidden", "float32", "causal", 0.0)


@pytest.mark.usefixtures("executed")
def test_nan_is_hidden_with_its_key_and_else_not():
    x, memory, dcontext, biases = draw(1, 3, 5, 4, "float32")
    memory[0, 3, :8] = np.nan  # a key, in both heads; not its value
    visible = np.ones((3, 5), dtype=bool)
    visible[:2, 3] = False
    x, memory, dcontext, biases, mask = map(strict_gpu.asarray, (x, memory, dcontext, biases, visible))
    found = there_and_back(strict_gpu, (x, memory, dcontext, biases), mask, 0.0)
    context = np.isnan(to_host(found["context"])).any(axis=-1)
    assert context[0].tolist() == [[False, False, True]] * 2
    assert not np.isnan(to_host(found["weights"]))[:, :, :2].any()


@pytest.mark.usefixtures("executed")
def test_softmax_hides_nan_with_its_mask_and_else_not():
    scores = strict_gpu.asarray(np.array([[[[1.0, np.nan, 2.0], [1.0, 2.0, np.nan], [np.inf, 0.0, 1.0]]]]))
    softmax_forward(scores, mask=strict_gpu.asarray(np.array([True, False, True])), out=scores)
    found = to_host(scores)[0, 0]
    assert_near(found[0], np.array([1, 0, np.e]) / (1 + np.e), "float64")
    assert np.isnan(found[1:]).any(axis=-1).all()


@pytest.mark.parametrize("length", [0, 1, 2, 5, 33])
def test_the_causal_mask_is_a_triangle_in_the_memory_of_a_line(length):
    mask = causal_mask(length, strict_gpu.ones(1))
    np.testing.assert_array_equal(to_host(mask), np.tri(length, dtype=bool))
    assert mask.strides == (-1, 1)


def test_nothing_that_is_kept_grows_with_the_square_of_the_length():
    """Neither with dropout: its mask is drawn again."""
    T, K = 96, 4
    x, memory, _, _ = (strict_gpu.asarray(array) for array in draw(1, T, T, K, "float32"))
    [query], (key, value) = split_heads(x, 1, H), split_heads(memory, 2, H)
    kept = on_gpu.attend(query, key, value, mask=None, dropout=DropoutMasks(0.3, 1, strict_gpu))
    assert max(array.size for array in kept if isinstance(array, strict_gpu.ndarray)) <= T * H * K
    np.testing.assert_allclose(to_host(attention_weights(kept).sum(axis=-1)), 1, rtol=1e-6)


@pytest.mark.parametrize("p", [0.0, 0.3])
def test_heads_that_do_not_fit_take_the_layers_own_way(p, monkeypatch):
    """Too wide for the kernels, or for the shared memory of an old card: with cuBLAS and softmax's kernel."""
    D = 2 * H
    parameters = multi_head_attention.CrossAttentionParameters(
        *((numbers((D, n * D), "float64", n), numbers((n * D,), "float64", n)) for n in (1, 2, 1))
    )
    x, memory, dy = (numbers((2, n, D), "float64", n) for n in (3, 5, 3))

    def run(xp):
        tree = type(parameters)(*(multi_head_attention.LinearParameters(*map(xp.asarray, one)) for one in parameters))
        gradients = type(tree)(*(type(one)(*map(xp.empty_like, one)) for one in tree))
        masks = DropoutMasks(p, 1, xp, philox=True) if p else None
        there = xp.asarray(memory)
        y, cache = multi_head_attention.cross_attention_forward(
            xp.asarray(x), tree, memory=there, heads=H, mask=None, dropout=masks
        )
        dmemory = xp.zeros_like(there)
        dx = multi_head_attention.cross_attention_backward(xp.asarray(dy), cache, tree, gradients, dmemory=dmemory)
        return cache.attention, [y, dx, dmemory, *(array for one in gradients for array in one)]

    fused, expected = run(strict_gpu)
    assert isinstance(fused, on_gpu.FusedAttentionCache)
    monkeypatch.setattr(on_gpu, "WIDEST", 1)
    plain, found = run(strict_gpu)
    assert isinstance(plain, AttentionCache)
    for one, other in zip(found, expected, strict=True):
        assert_near(one, to_host(other), "float64")


def test_an_old_card_has_no_room_for_the_widest_heads(monkeypatch):
    x = strict_gpu.ones((1, 1), dtype="float32")
    assert on_gpu.fits(x, 128)
    assert not on_gpu.fits(x, 129)
    monkeypatch.setattr(on_gpu, "shared_memory", lambda xp: 64 * 1024)  # Turing
    assert on_gpu.fits(x, 64)
    assert not on_gpu.fits(x, 128)


def test_the_layers_functions_take_the_kernels():
    [query], (key, value) = (split_heads(strict_gpu.ones((1, 3, n * 4), dtype="float32"), n, H) for n in (1, 2))
    context, cache = attention.scaled_dot_product_attention_forward(query=query, key=key, value=value)
    assert isinstance(cache, on_gpu.FusedAttentionCache)
    reference = textbook(attention.scaled_dot_product_attention_forward)(query=query, key=key, value=value)
    assert_near(context, to_host(reference[0]), "float32")
