"""Attention's scale, mask, softmax and dropout in one kernel, forward and backward, compared with the reference."""

from functools import partial

import numpy as np
import pytest
import strict_gpu
from on_card import run_on_card
from test_kernels import TOLERANCE, assert_near, carry_out, executed, numbers

from numpy_transformer.backend.arrays import to_host
from numpy_transformer.backend.dropout_masks import DropoutMasks
from numpy_transformer.backend.kernels import attention as on_gpu
from numpy_transformer.backend.kernels import launcher
from numpy_transformer.backend.kernels.softmax import weights_of
from numpy_transformer.layers import attention
from numpy_transformer.layers.attention import causal_mask
from numpy_transformer.layers.multi_head_attention import split_heads

__all__ = ["executed"]  # a fixture


def padding(xp, B, S):
    """(B, 1, 1, S): sentences of S, S - 1, ... keys; the last one has none."""
    lengths = np.maximum(S - np.arange(B), 0)
    lengths[-1] = 0
    return xp.asarray(np.arange(S) < lengths[:, None])[:, None, None, :]


MASKS = {
    "no mask": lambda xp, B, H, T, S: None,
    "padding": lambda xp, B, H, T, S: padding(xp, B, S),
    "causal": lambda xp, B, H, T, S: causal_mask(max(T, S), xp.ones(1))[:T, :S],
    "causal and padding": lambda xp, B, H, T, S: causal_mask(max(T, S), xp.ones(1))[:T, :S] & padding(xp, B, S),
    "one for each head": lambda xp, B, H, T, S: xp.asarray(np.arange(H) % 2 == 0)[:, None, None],
}


def there_and_back(xp, arrays, mask, p):
    """Everything that the two functions return and write, by name; heads are views, as in multi-head attention."""
    (x, memory, dcontext), H = arrays, 2
    [query], (key, value), [dcontext_heads] = (split_heads(a, n, H) for a, n in ((x, 1), (memory, 2), (dcontext, 1)))
    dropout = DropoutMasks(p, (3, 1), xp, philox=True) if p else None
    inputs = {"query": query, "key": key, "value": value}
    context, cache = attention.scaled_dot_product_attention_forward(**inputs, mask=mask, dropout=dropout)
    dx, dmemory = xp.full_like(x, xp.nan), xp.full_like(memory, xp.nan)
    [dquery], (dkey, dvalue) = split_heads(dx, 1, H), split_heads(dmemory, 2, H)
    attention.scaled_dot_product_attention_backward(dcontext_heads, cache, dquery=dquery, dkey=dkey, dvalue=dvalue)
    return {"context": context, "weights": cache.weights, "dx": dx, "dmemory": dmemory}


def draw(B, T, S, K, dtype):
    return [numbers(shape, dtype, seed) for seed, shape in enumerate([(B, T, 2 * K), (B, S, 4 * K), (B, T, 2 * K)])]


SIZES = {  # B, T, S, K
    "one of each": (1, 1, 1, 1),
    "rows in one load": (3, 5, 4, 3),
    "rows that end in the middle of a load": (2, 7, 13, 4),
    "one query": (3, 1, 40, 4),
    "rows of several warps": (1, 2, 700, 3),
    "rows longer than a block holds": (2, 2, 2061, 2),
}


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("p", [0.0, 0.3])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", SIZES)
def test_attention(size, dtype, mask, p, monkeypatch):
    """Compare with the reference in float64; without gaps between rows, few of which are 16-byte aligned: same bits."""
    B, T, S, K = SIZES[size]
    arrays = draw(B, T, S, K, dtype)
    exact = [array.astype("float64") for array in arrays]
    expected = there_and_back(np, exact, MASKS[mask](np, B, 2, T, S), p)

    def on_card():
        placed = [strict_gpu.asarray(array) for array in arrays]
        return there_and_back(strict_gpu, placed, MASKS[mask](strict_gpu, B, 2, T, S), p)

    found = on_card()
    with monkeypatch.context() as patch:
        patch.setattr(on_gpu, "empty_scores", lambda query, key: strict_gpu.empty((B, 2, T, S), dtype=query.dtype))
        again = on_card()
    for name, value in expected.items():
        assert_near(found[name], value.astype(dtype), dtype)
        assert to_host(found[name]).tobytes() == to_host(again[name]).tobytes(), name


def test_what_goes_to_a_card_comes_back(monkeypatch):
    """A mask whose rows run backwards, and one shared by many; the stand-in is the card (on_card.py)."""
    carry_out(monkeypatch, partial(run_on_card, strict_gpu, launcher.Kernel.launch))
    for mask in MASKS:
        test_attention("rows that end in the middle of a load", "float32", mask, 0.3, monkeypatch)


@pytest.mark.usefixtures("executed")
def test_nan_is_hidden_with_its_key_and_else_not():
    scores = strict_gpu.asarray(np.array([[[[1.0, np.nan, 2.0], [1.0, 2.0, np.nan], [np.inf, 0.0, 1.0]]]]))
    weights_of(scores, weights=scores, mask=strict_gpu.asarray(np.array([True, False, True])))
    found = to_host(scores)[0, 0]
    assert_near(found[0], np.array([1, 0, np.e]) / (1 + np.e), "float64")
    assert np.isnan(found[1:]).any(axis=-1).all()


def test_no_dropped_weights_are_kept():
    """The backward draws the mask again: with dropout the cache is no larger than without."""
    arrays = [strict_gpu.asarray(array) for array in draw(2, 5, 4, 3, "float32")]
    query, (key, value) = arrays[0][:, None], (arrays[1][:, None, :, :6], arrays[1][:, None, :, 6:])
    dropout = DropoutMasks(0.3, 1, strict_gpu)
    _, cache = attention.scaled_dot_product_attention_forward(query=query, key=key, value=value, dropout=dropout)
    assert cache.dropped is cache.weights
    np.testing.assert_allclose(to_host(cache.weights.sum(axis=-1)), 1, rtol=1e-6)
