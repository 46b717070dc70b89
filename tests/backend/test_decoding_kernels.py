"""The kernels of a search, as in test_kernels.py: NumPy twins and emulation against the layers and plain sorting."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import strict_gpu
from emulated_cuda import run_emulated
from strict_gpu import Counts
from test_gpu_path import CONFIG, SOURCE, on_card
from test_kernels import TOLERANCE, assert_near, carry_out, executed, needs_compiler, numbers

from numpy_transformer.backend.arrays import to_host
from numpy_transformer.backend.kernels import best_tokens as kernel
from numpy_transformer.backend.kernels.decoder_attention import (
    WIDEST_HEAD,
    cross_attention_step,
    packed_bits,
    self_attention_step,
)
from numpy_transformer.backend.kernels.embedding import placed_embedding
from numpy_transformer.decoding import Sampling, beam_search, continuation, greedy_search, incremental, sample
from numpy_transformer.decoding.continuation import complete
from numpy_transformer.decoding.incremental import IncrementalDecoder
from numpy_transformer.decoding.rules import NoRepeatedNgram
from numpy_transformer.layers.attention import scaled_dot_product_attention_forward
from numpy_transformer.layers.embedding import EmbeddingParameters, embedding_forward
from numpy_transformer.layers.position_table import sinusoids
from numpy_transformer.models.decoder_only import LanguageModel
from numpy_transformer.models.transformer import Transformer

__all__ = ["executed"]  # a fixture

NEVER = -1  # stands for no token

# --- Attention over cached keys and values ---

SIZES = {  # sentences, hypotheses, heads, numbers of a head, columns, room
    "one of each": (1, 1, 1, 1, 1, 1),
    "a head in one load": (2, 3, 2, 4, 9, 12),
    "heads that begin anywhere": (2, 2, 3, 5, 70, 70),
    "eight lanes a key": (1, 4, 2, 64, 33, 40),
    "more columns than words have bits": (2, 1, 1, 12, 131, 200),
    "a whole warp a key": (2, 2, 1, 250, 5, 6),
}


def draw(size, dtype, parts):
    """Projections (B W, parts D), their bias, and a cache (B, room, 2D)."""
    B, W, H, K, _, room = SIZES[size]
    shapes = (B * W, parts * H * K), (parts * H * K,), (B, room, 2 * H * K)
    return [numbers(shape, dtype, seed) / 2 for seed, shape in enumerate(shapes)]


def expected_attention(query, cache, visible, size):
    """The layer's context (B W, D) and weights (B W, H, N), in float64."""
    B, W, H, K, N, _ = SIZES[size]
    key, value = cache[:, :N].astype("float64").reshape(B, N, 2, H, K).transpose(2, 0, 3, 1, 4)
    by_head = query.astype("float64").reshape(B, W, H, K).swapaxes(1, 2)
    mask = visible.reshape(B, 1, W, N)
    context, found = scaled_dot_product_attention_forward(query=by_head, key=key, value=value, mask=mask)
    return context.swapaxes(1, 2).reshape(B * W, -1), found.weights.swapaxes(1, 2).reshape(B * W, H, N)


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", SIZES)
def test_a_step_of_self_attention(size, dtype):
    """Columns that a hypothesis does not see hold NaN; its own is written by the step."""
    B, W, H, K, N, _ = SIZES[size]
    projected, bias, cache = draw(size, dtype, 3)
    rng, R, D = np.random.default_rng(5), B * W, H * K
    visible = rng.random((B, W, N)) < 0.6
    columns = np.array([rng.permutation(N)[:W] if W <= N else np.zeros(W, dtype=int) for _ in range(B)])
    visible[np.arange(B)[:, None, None], np.arange(W)[None, :, None], columns[:, None, :]] = False  # the others' own
    visible[np.arange(B)[:, None], np.arange(W), columns] = True
    cache[:, :N][~visible.any(axis=1)] = np.nan
    cache[np.arange(B)[:, None], columns] = np.nan
    on_gpu = strict_gpu.asarray(cache)
    arrays = [strict_gpu.asarray(x) for x in (projected, bias)]
    context = self_attention_step(
        *arrays,
        on_gpu[:, :N],
        columns=strict_gpu.asarray(columns.ravel().astype("int64")),
        seen=strict_gpu.asarray(packed_bits(visible).reshape(R, -1)),
        heads=H,
    )
    whole = projected + bias
    cache[np.arange(B)[:, None], columns] = whole[:, D:].reshape(B, W, 2 * D)
    assert_near(on_gpu, cache, dtype) if not np.isnan(cache).any() else None
    np.testing.assert_allclose(to_host(on_gpu), cache, rtol=TOLERANCE[dtype])
    known = np.nan_to_num(cache)
    expected, _ = expected_attention(whole[:, :D], known, visible, size)
    assert_near(context, expected.astype(dtype), dtype)


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("size", SIZES)
def test_a_step_of_cross_attention(size, dtype):
    """With the weights and without; what stands behind the end of a source is NaN, and a sentence may be empty."""
    B, W, H, _, N, _ = SIZES[size]
    projected, bias, cache = draw(size, dtype, 1)
    lengths = np.maximum(N - 3 * np.arange(B), 0)
    visible = np.broadcast_to(np.arange(N) < lengths[:, None, None], (B, W, N))
    expected, expected_weights = expected_attention(projected + bias, cache, visible, size)
    cache[:, :N][np.arange(N) >= lengths[:, None]] = np.nan
    arrays = [strict_gpu.asarray(x) for x in (projected, bias, cache)]
    arrays[2] = arrays[2][:, :N]
    on_gpu = strict_gpu.asarray(lengths.astype("int64"))
    for weights in (None, strict_gpu.empty((B * W, H, N), dtype=dtype)):
        context = cross_attention_step(*arrays, lengths=on_gpu, heads=H, weights=weights)
        assert_near(context, expected.astype(dtype), dtype)
    assert_near(weights, expected_weights.astype(dtype), dtype)


@pytest.mark.usefixtures("executed")
def test_nan_reaches_the_context():
    """A model that computes NaN must be found out, not hidden."""
    projected, bias, cache = draw("a head in one load", "float32", 1)
    cache[0, 2, 1] = np.nan
    arrays = [strict_gpu.asarray(x) for x in (projected, bias, cache)]
    found = to_host(cross_attention_step(*arrays, lengths=strict_gpu.asarray(np.array([5, 2])), heads=2))
    assert np.isnan(found[:3, :4]).all()
    assert np.isfinite(found[3:]).all()


def test_bits_are_columns():
    seen = np.random.default_rng(0).random((3, 2, 70)) < 0.5
    words = packed_bits(seen)
    assert words.shape == (3, 2, 2)
    assert words.dtype == np.int64
    read = [[[int(words[i, j, n // 64]) >> (n % 64) & 1 for n in range(70)] for j in range(2)] for i in range(3)]
    np.testing.assert_array_equal(np.array(read, dtype=bool), seen)


# --- The best tokens ---


def expected_best(logits, count, barred):
    """By a stable sort, in float64."""
    wide = logits.astype("float64")
    top = wide.max(axis=1, keepdims=True)
    normalizers = np.log(np.exp(wide - top).sum(axis=1, keepdims=True)) + top
    allowed = np.where(barred, -np.inf, wide)
    tokens = np.argsort(-allowed, axis=1, kind="stable")[:, :count]
    return normalizers, np.take_along_axis(allowed, tokens, axis=1), tokens


def padded_rows(logits, stride):
    """The logits on the card, with rows `stride` apart."""
    memory = strict_gpu.empty((len(logits), stride), dtype=logits.dtype)[:, : logits.shape[1]]
    memory[...] = strict_gpu.asarray(logits)
    return memory


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(
    ("rows", "V", "stride", "count"),
    [(1, 1, 1, 1), (3, 7, 7, 4), (2, 64, 64, 0), (4, 130, 192, 5), (2, 131, 192, 64), (2, 9001, 9024, 3), (3, 5, 6, 5)],
)
def test_best_tokens(rows, V, stride, count, ties, dtype):
    logits = numbers((rows, V), dtype, 0)
    if ties:
        logits = np.round(logits)
    normalizers, values, tokens = expected_best(logits, count, np.zeros(logits.shape, dtype=bool))
    found = kernel.best_tokens(padded_rows(logits, stride), count)
    assert_near(found[:, :1], normalizers.astype(dtype), dtype)
    np.testing.assert_array_equal(to_host(found)[:, 1 : 1 + count], values)
    np.testing.assert_array_equal(to_host(found)[:, 1 + count :], tokens)


@pytest.mark.usefixtures("executed")
def test_the_best_tokens_of_a_very_long_row():
    """So long that a warp goes through the share of a thread in several rounds; the best stand at the end."""
    V = 140_000
    found = kernel.best_tokens(strict_gpu.asarray(np.linspace(0, 9, V, dtype="float32")[None]), 3)
    assert to_host(found)[0, 4:].tolist() == [V - 1, V - 2, V - 3]


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("by_rules", [False, True])
def test_barred_tokens_count_and_are_not_found(by_rules, dtype):
    rng, V, count, eos = np.random.default_rng(3), 77, 4, 9
    logits = numbers((5, V), dtype, 0)
    pad, bos = logits[0].argmax(), logits[1].argmax()
    at_limit = np.array([False, True, False, False, True])
    forbidden = rng.random(logits.shape) < 0.5
    forbidden[2] = True
    forbidden[4, eos] = False
    barred = forbidden if by_rules else np.zeros(logits.shape, dtype=bool)
    barred = barred | np.isin(np.arange(V), (pad, bos)) | (at_limit[:, None] & (np.arange(V) != eos))
    normalizers, values, _ = expected_best(logits, count, barred)
    found = kernel.best_tokens(
        padded_rows(logits, 80),
        count,
        never=(int(pad), int(bos)),
        forbidden=strict_gpu.asarray(forbidden) if by_rules else None,
        at_limit=strict_gpu.asarray(at_limit),
        eos=eos,
    )
    assert_near(found[:, :1], normalizers.astype(dtype), dtype)
    found_values, tokens = to_host(found)[:, 1 : 1 + count], to_host(found)[:, 1 + count :].astype(int)
    np.testing.assert_array_equal(found_values, values)
    real = found_values > -np.inf
    np.testing.assert_array_equal(logits[np.arange(5)[:, None], tokens][real], found_values[real])
    assert not barred[np.arange(5)[:, None], tokens][real].any()
    assert all(len(set(row)) == count for row in tokens.tolist())
    assert real.sum(axis=1).tolist() == (~barred).sum(axis=1).clip(max=count).tolist()


@pytest.mark.usefixtures("executed")
def test_nan_is_in_the_normalizer_and_no_token_is_out_of_range():
    logits = numbers((3, 40), "float32", 0)
    logits[0, 17], logits[1] = np.nan, np.nan
    found = to_host(kernel.best_tokens(strict_gpu.asarray(logits), 3))
    assert np.isnan(found[:, 0]).tolist() == [True, True, False]
    assert ((found[:, 4:] >= 0) & (found[:, 4:] < 40)).all()


# --- Embedding ---


@pytest.mark.usefixtures("executed")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("D", [1, 8, 30, 600])
def test_tokens_at_positions_of_their_own(D, dtype):
    weight, ids, positions = numbers((11, D), dtype, 0), np.array([3, 10, 3, 0]), np.array([0, 70, 5, 5])
    expected = embedding_forward(ids, EmbeddingParameters(weight)) + sinusoids(71, D)[positions]
    on_gpu = [strict_gpu.asarray(x) for x in (ids, positions)]
    found = placed_embedding(*on_gpu, EmbeddingParameters(strict_gpu.asarray(weight)), length=71)
    assert_near(found, expected.astype(dtype), dtype)


def use_search_kernels(D, dtype):
    """Launch all of them on rows of D numbers (test_kernel_resources.py); a head has at most what a warp holds."""
    ids = strict_gpu.asarray(np.zeros(2, dtype="int64"))
    table = strict_gpu.asarray(numbers((2, D), dtype, 0))
    placed_embedding(ids, ids, EmbeddingParameters(table), length=1)
    kernel.best_tokens(table, min(D, 4))
    K = min(D, WIDEST_HEAD)
    projected, bias, cache = (strict_gpu.asarray(numbers(s, dtype, 0)) for s in ((2, 3 * K), (3 * K,), (2, 1, 2 * K)))
    seen = strict_gpu.asarray(packed_bits(np.ones((2, 1), dtype=bool)))
    self_attention_step(projected, bias, cache, columns=ids, seen=seen, heads=1)
    cross_attention_step(projected[:, :K], bias[:K], cache, lengths=ids + 1, heads=1)


# --- Whole searches with the kernels' own source ---

SEARCHES = {
    "greedy": lambda model, limits: greedy_search(model, SOURCE, limits=limits),
    "n best": lambda model, limits: beam_search(model, SOURCE, limits=limits, beam=3, alpha=0.6, n_best=3),
    "rules and coverage": lambda model, limits: beam_search(
        model, SOURCE, limits=limits, beam=2, alpha=0.6, rows=2, coverage=0.3, rules=[NoRepeatedNgram(1)]
    ),
    "top-k": lambda model, limits: sample(model, SOURCE, Sampling(seed=5, top_k=4), limits=limits, samples=2),
}


@needs_compiler
@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("search", SEARCHES)
def test_a_search_with_the_emulated_kernels_is_the_cpus(search, norm, monkeypatch):
    limits, config = np.array([6, 3, 5]), CONFIG.replace(norm=norm)
    expected = SEARCHES[search](Transformer(config, seed=1, dtype="float64"), limits)
    carry_out(monkeypatch, run_emulated)
    found = SEARCHES[search](on_card(Transformer(config, seed=1, dtype="float64")), limits)
    for sentence, each in zip(found, expected, strict=True):
        assert [one.ids for one in sentence] == [one.ids for one in each]
        np.testing.assert_allclose([one.score for one in sentence], [one.score for one in each], rtol=1e-9)


@pytest.mark.parametrize("emulated", [False, pytest.param(True, marks=needs_compiler)])
@pytest.mark.parametrize(
    "changes",
    [{}, {"norm": "pre", "positions": "learned", "norm_epsilon": 0.1, "context": 12, "activation": "swish"}],
    ids=["as the paper", "as GPT-2"],
)
def test_a_text_goes_on_as_on_the_cpu(changes, emulated, monkeypatch):
    """Past the end of the context, too, where the window slides."""
    config = CONFIG.replace(**changes)
    expected, found = (LanguageModel(config, seed=1, dtype="float64") for _ in range(2))
    on_card(found)
    texts = [list(complete(model, [5, 9, 3], 14, Sampling(seed=2), texts=2)) for model in (expected,)]
    if emulated:
        carry_out(monkeypatch, run_emulated)
    original = continuation.Continuation._with_operations
    with patch.object(continuation.Continuation, "_with_operations", autospec=True, side_effect=original) as prompts:
        texts.append(list(complete(found, [5, 9, 3], 14, Sampling(seed=2), texts=2)))
    assert 0 < prompts.call_count <= 3  # only prompts are many tokens at once
    np.testing.assert_array_equal(texts[1], texts[0])


# --- What a step asks of the card ---


def counts_of_steps(config, search) -> list[Counts]:
    """Of each step: what came between the beginning of the decoder's part and that of the next step's."""
    model, marks = on_card(Transformer(config, seed=1)), []
    with strict_gpu.counted() as counts:

        def step(self, *args):
            marks.append(replace(counts))
            return original(self, *args)

        original = IncrementalDecoder.step
        with patch.object(IncrementalDecoder, "step", step):
            search(model, np.full(len(SOURCE), 12))
    return [
        Counts(*(getattr(end, field) - getattr(start, field) for field in Counts.__dataclass_fields__))
        for start, end in pairwise(marks)
    ]


def test_docs_say_how_many_launches_a_step_of_a_search_is():
    """Beam search with a base model's layers; a sentence that leaves the batch costs a few more."""
    page = " ".join((Path(__file__).parents[2] / "docs" / "gpu.md").read_text(encoding="utf-8").split())
    usual = {}
    for norm in ("post", "pre"):
        config = CONFIG.replace(encoder_layers=6, decoder_layers=6, d_model=16, heads=8, norm=norm)
        counts = counts_of_steps(
            config, lambda model, limits: beam_search(model, SOURCE, limits=limits, beam=4, alpha=0.6)
        )
        assert len(counts) > 3
        assert all((count.synchronizations, count.launches <= 120) == (1, True) for count in counts)
        [(usual[norm], _)] = Counter(count.launches for count in counts).most_common(1)
        assert sum(count.uploads == 1 for count in counts) >= len(counts) - 3  # but where a sentence leaves
    assert f"a step of beam search is {usual['post']} launches, {usual['pre']} with pre-norm" in page


@pytest.mark.parametrize("search", ["greedy", "top-k"])
def test_other_searches_have_few_launches_too(search):
    config = CONFIG.replace(encoder_layers=6, decoder_layers=6, d_model=16, heads=8)
    counts = counts_of_steps(config, SEARCHES[search])
    assert max(count.launches for count in counts) <= 120
    assert all(count.synchronizations == 1 for count in counts)


@pytest.mark.parametrize("width", [{"heads": 1, "d_model": 264, "d_ff": 8}, {"heads": 9, "d_model": 2052, "d_ff": 8}])
def test_a_model_too_wide_for_the_kernels_runs_in_operations(width):
    """A head that no warp can hold; a row that no block can."""
    config = CONFIG.replace(encoder_layers=1, decoder_layers=1, vocabulary_size=40, **width)
    options = {"limits": np.array([5, 3, 4]), "beam": 2, "alpha": 0.6, "coverage": 0.2}
    with patch.object(incremental.on_card, "decoder_layers", side_effect=AssertionError):
        found = beam_search(on_card(Transformer(config, seed=1, dtype="float64")), SOURCE, **options)
    expected = beam_search(Transformer(config, seed=1, dtype="float64"), SOURCE, **options)
    assert [best.ids for best, *_ in found] == [best.ids for best, *_ in expected]
