"""The searches against plain ones without caches, and against the enumeration of every possible output."""

import math
from collections import Counter
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_model import VOCABULARY, all_translations, forced_log_probability, padded, random_sources, small_model

import numpy_transformer as nt
from numpy_transformer.decoding import IncrementalDecoder, Sampling, beam_search, greedy_search, sample, scoring
from numpy_transformer.decoding.attention_weights import attention_weights
from numpy_transformer.decoding.forwards import attention
from numpy_transformer.decoding.incremental import FIRST_ROOM, rows_that_stay
from numpy_transformer.decoding.reference import (
    next_log_probabilities,
    penalised,
    plain_beam_search,
    plain_greedy_search,
)
from numpy_transformer.decoding.scoring import FEW, largest, length_penalty
from numpy_transformer.decoding.token_by_token import draw_tokens
from numpy_transformer.layers.attention import scaled_dot_product_attention_forward
from numpy_transformer.layers.softmax import MASKED_SCORE

seeds = st.integers(0, 2**32 - 1)
norms = st.sampled_from(["post", "pre"])
alphas = st.sampled_from([0.0, 0.6, 1.0, 2.0])


# --- The incremental decoder ---


@given(seed=seeds, norm=norms)
def test_cached_decoding_equals_the_whole_model(seed, norm):
    """Hypotheses that fork and die, widths that change, sentences that leave: each step's logits are the model's."""
    rng = np.random.default_rng(seed)
    model = small_model(seed, norm)
    sources = random_sources(rng, 3)
    decoder = IncrementalDecoder(model, padded(sources, extra=2))
    paths = [[[1]] for _ in sources]  # of each sentence, of each hypothesis, the tokens so far
    parents = None
    for _ in range(FIRST_ROOM // 2):
        tokens = np.array([[path[-1] for path in hypotheses] for hypotheses in paths])
        logits = decoder.step(tokens, parents)
        for source, hypotheses, found in zip(sources, paths, logits, strict=True):
            expected = model.logits(np.array([source] * len(hypotheses)), np.array(hypotheses))[:, -1]
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
        if rng.random() < 0.1 and len(sources) > 1:
            rows = rows_that_stay(np.arange(len(sources)) != rng.integers(len(sources)))
            decoder.retain(rows)
            sources, paths = [sources[row] for row in rows], [paths[row] for row in rows]
        width = rng.integers(1, 6)
        parents = rng.integers(0, len(paths[0]), (len(sources), width))
        paths = [
            [[*hypotheses[parent], int(rng.integers(3, VOCABULARY))] for parent in sentence_parents]
            for hypotheses, sentence_parents in zip(paths, parents, strict=True)
        ]


@given(
    seed=seeds,
    sizes=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 9)),
    scale=st.sampled_from([0.1, 1.0, 10.0, 100.0]),
    hides=st.booleans(),
)
def test_attention_equals_the_layer(seed, sizes, scale, hides):
    """With small scores, whose exponentials are taken as they are, and with large ones, which are shifted first."""
    (B, W, N), H, K = sizes, 2, 5
    rng = np.random.default_rng(seed)
    query = (rng.normal(size=(B * W, H * K)) * scale).astype("float32")
    key, value = (rng.normal(size=(2, B, H, N, K)) * scale).astype("float32")
    seen = rng.random((B, 1, W, N)) < (0.5 if hides else 1)
    seen[..., 0] = True
    mask_scores = np.where(seen, np.float32(0), np.float32(MASKED_SCORE)) if hides else None
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        context, weights = attention(query, key.swapaxes(-1, -2), value, mask_scores)
    by_head = query.reshape(B, W, H, K).swapaxes(1, 2)
    expected, cache = scaled_dot_product_attention_forward(query=by_head, key=key, value=value, mask=seen)
    np.testing.assert_allclose(weights, cache.weights, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(
        context.reshape(B, W, H, K).swapaxes(1, 2), expected, rtol=1e-4, atol=1e-5 * max(1, scale)
    )


def test_columns_that_nobody_sees_are_taken_again():
    """Hypotheses that share their past need little more room than one."""
    model = small_model(0)
    decoder = IncrementalDecoder(model, padded([[3, 4, 2]]))
    decoder.step(np.array([[1]]))
    for _ in range(50):
        decoder.step(np.full((1, 4), 3), np.zeros((1, 4), dtype=int))
    assert decoder._width() <= 51 + 2 * 4  # all columns ever made: 201


@given(live=st.lists(st.booleans(), max_size=12))
def test_only_as_many_sentences_move_as_there_are_holes(live):
    live = np.array(live, dtype=bool)
    rows = rows_that_stay(live)
    assert sorted(rows) == np.flatnonzero(live).tolist()
    assert (rows != np.arange(len(rows))).sum() == (~live[: len(rows)]).sum()


# --- Greedy and beam search ---


@given(seed=seeds, norm=norms, alpha=alphas)
def test_greedy_search_equals_a_plain_one_and_a_beam_of_one(seed, norm, alpha):
    rng = np.random.default_rng(seed)
    model = small_model(seed, norm)
    sources = random_sources(rng, 3)
    limits = rng.integers(0, 12, len(sources))
    greedy = greedy_search(model, padded(sources), limits=limits, alpha=alpha)
    beam = beam_search(model, padded(sources), limits=limits, beam=1, alpha=alpha)
    for source, limit, [one], [other] in zip(sources, limits, greedy, beam, strict=True):
        assert one.ids == other.ids == plain_greedy_search(model, source, limit)
        assert one.log_probability == pytest.approx(forced_log_probability(model, source, one.ids), abs=1e-9)
        assert one.score == pytest.approx(other.score, abs=1e-9)


@given(seed=seeds, norm=norms, alpha=alphas, limit=st.integers(0, 3), n_best=st.integers(1, 5))
@settings(max_examples=25)
def test_a_beam_as_wide_as_the_search_space_finds_the_best_of_all(seed, norm, alpha, limit, n_best):
    rng = np.random.default_rng(seed)
    model = small_model(seed, norm)
    sources = random_sources(rng, 2)
    translations = all_translations(limit)
    found = beam_search(
        model, padded(sources), limits=np.full(2, limit), beam=5 * len(translations), alpha=alpha, n_best=n_best
    )
    for source, results in zip(sources, found, strict=True):
        scored = [
            (penalised(forced_log_probability(model, source, ids), len(ids) + 1, alpha), ids) for ids in translations
        ]
        scored.sort(key=lambda result: -result[0])
        assert [result.ids for result in results] == [ids for _, ids in scored[:n_best]]
        np.testing.assert_allclose([result.score for result in results], [score for score, _ in scored[:n_best]])


@given(
    seed=seeds,
    norm=norms,
    alpha=alphas,
    beam=st.integers(1, 6),
    sharpness=st.sampled_from([1.0, 4.0]),
    data=st.data(),
)
def test_beam_search_equals_a_plain_one_that_never_stops_early(seed, norm, alpha, beam, sharpness, data):
    """A confident model with a strong penalty is the hard case: a longer translation may overtake at a late step."""
    n_best = data.draw(st.integers(1, beam))
    rng = np.random.default_rng(seed)
    model = small_model(seed, norm, sharpness)
    sources = random_sources(rng, 3)
    limits = rng.integers(0, 8, len(sources))
    found = beam_search(model, padded(sources), limits=limits, beam=beam, alpha=alpha, n_best=n_best)
    for source, limit, results in zip(sources, limits, found, strict=True):
        expected = plain_beam_search(model, source, limit=limit, beam=beam, alpha=alpha, n_best=n_best)
        assert [result.ids for result in results] == [ids for _, ids in expected]
        np.testing.assert_allclose([result.score for result in results], [score for score, _ in expected])
        for result in results:
            forced = forced_log_probability(model, source, result.ids)
            assert result.log_probability == pytest.approx(forced, abs=1e-9)
            assert result.score == pytest.approx(penalised(forced, len(result.ids) + 1, alpha), abs=1e-9)


@pytest.mark.parametrize("seed", [0, 12, 22, 37, 86])
def test_a_longer_translation_may_still_overtake(seed):
    """Here a live hypothesis with a lower score wins in the end; stopping when it falls behind would lose it."""
    model = small_model(seed, sharpness=2.0)
    sources = random_sources(np.random.default_rng(seed), 3)
    found = beam_search(model, padded(sources), limits=np.full(3, 10), beam=4, alpha=2.0)
    for source, [best] in zip(sources, found, strict=True):
        [(score, ids)] = plain_beam_search(model, source, limit=10, beam=4, alpha=2.0, n_best=1)
        assert best.ids == ids
        assert best.score == pytest.approx(score)


def test_a_wider_beam_can_be_better_than_greedy():
    """Otherwise the tests above would prove little."""
    better = 0
    for seed in range(20):
        model = small_model(seed)
        arguments = (model, padded([[3, 4, 2]]))
        [[greedy]] = greedy_search(*arguments, limits=np.array([5]))
        [[wide]] = beam_search(*arguments, limits=np.array([5]), beam=6, alpha=0.0)
        assert wide.score >= greedy.score - 1e-12
        better += wide.score > greedy.score + 1e-6
    assert better


@given(seed=seeds, norm=norms, extra=st.integers(0, 3), order_seed=seeds)
def test_results_do_not_depend_on_batch_order_or_padding(seed, norm, extra, order_seed):
    rng = np.random.default_rng(seed)
    model = small_model(seed, norm)
    sources = random_sources(rng, 5)
    limits = np.array([len(source) + 3 for source in sources])
    order = np.random.default_rng(order_seed).permutation(len(sources))
    searches = {
        "beam": lambda source, limits: beam_search(model, source, limits=limits, beam=3, alpha=0.6, n_best=2),
        "greedy": lambda source, limits: greedy_search(model, source, limits=limits),
        "sample": lambda source, limits: sample(model, source, Sampling(seed=3), limits=limits, samples=2),
    }
    for name, search in searches.items():
        alone = [search(padded([source]), limits[[i]])[0] for i, source in enumerate(sources)]
        together = search(padded([sources[i] for i in order], extra), limits[order])
        for row, i in enumerate(order):
            assert [result.ids for result in together[row]] == [result.ids for result in alone[i]], name
            np.testing.assert_allclose(
                [result.score for result in together[row]], [result.score for result in alone[i]], atol=1e-9
            )


def test_a_model_that_computes_nan_is_refused():
    model = small_model(0)
    model.parameters.flat[...] = np.nan
    for search in (
        lambda: beam_search(model, padded([[3, 2]]), limits=np.array([3]), beam=2, alpha=0.6),
        lambda: greedy_search(model, padded([[3, 2]]), limits=np.array([3])),
    ):
        with pytest.raises(nt.InputError, match="NaN"):
            search()


def test_length_penalty_is_that_of_the_paper():
    assert length_penalty(1, 0.6) == 1
    assert length_penalty(7, 1.0) == 2
    assert length_penalty(100, 0.0) == 1


@given(seed=seeds, rows=st.integers(1, 3), columns=st.integers(1, 40), data=st.data())
def test_largest_equals_a_stable_sort(seed, rows, columns, data):
    """Ties included; both ways of finding them."""
    count = data.draw(st.integers(1, columns))
    x = np.random.default_rng(seed).integers(0, 10, (rows, columns)).astype(float)
    expected = np.argsort(-x, axis=1, kind="stable")[:, :count]
    values, found = largest(x.copy(), count)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(values, np.take_along_axis(x, expected, axis=1))
    assert FEW < 40  # so that both ways are drawn


@given(
    seed=seeds,
    rows=st.integers(0, 9),
    columns=st.sampled_from([1, 7, 40]),
    scale=st.sampled_from([0.1, 10.0, 1e3, 1e5]),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_the_log_normalizer_is_the_sum_of_all_probabilities(seed, rows, columns, scale, dtype):
    """In blocks of rows, with and without a shift: no exponential overflows, and none of a best logit vanishes."""
    logits = (np.random.default_rng(seed).normal(size=(3, rows, columns)) * scale).astype(dtype)
    with patch.object(scoring, "CACHED_LOGITS", 100), np.errstate(over="raise", divide="raise"):
        found = scoring.log_normalizer(logits)
    wide = logits.astype("float64")
    expected = np.log(np.exp(wide - wide.max(axis=-1, keepdims=True)).sum(axis=-1)) + wide.max(axis=-1)
    assert found.dtype == dtype
    assert found.shape == (3, rows)
    np.testing.assert_allclose(found, expected, rtol=1e-5 if dtype == "float32" else 1e-12, atol=1e-6)


# --- Sampling ---


def chi_square_bound(degrees: int) -> float:
    """The value that a chi-square variable exceeds with probability 1e-6 (Wilson and Hilferty 1931)."""
    return degrees * (1 - 2 / (9 * degrees) + 4.753 * math.sqrt(2 / (9 * degrees))) ** 3


def assert_frequencies(counts: np.ndarray, probabilities: np.ndarray) -> None:
    assert probabilities.sum() == pytest.approx(1)
    expected = counts.sum() * probabilities
    assert not counts[probabilities == 0].any()
    possible = probabilities > 0
    statistic = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    assert statistic < chi_square_bound(max(1, possible.sum() - 1))


@pytest.mark.parametrize(
    "options",
    [{}, {"temperature": 0.5}, {"temperature": 3.0}, {"top_k": 3}, {"top_p": 0.7}, {"top_k": 5, "top_p": 0.6}],
)
def test_draws_have_the_shaped_distribution(options):
    sampling = Sampling(**options)
    logits = np.array([0.3, -1.0, 1.2, -math.inf, 0.9, 2.0, -0.4, 1.0])
    shaped = np.exp(logits / sampling.temperature)
    shaped /= shaped.sum()
    order = np.argsort(-shaped)
    if sampling.top_k is not None:
        shaped[order[sampling.top_k :]] = 0
        shaped /= shaped.sum()
    if sampling.top_p is not None:
        kept = 1 + int(np.searchsorted(np.cumsum(shaped[order]), sampling.top_p))
        shaped[order[kept:]] = 0
        shaped /= shaped.sum()

    draws = 20_000
    times = np.random.default_rng(0).standard_exponential((draws, 1, len(logits)))
    tokens = draw_tokens(np.broadcast_to(logits, times.shape), times, sampling)
    assert_frequencies(np.bincount(tokens[:, 0], minlength=len(logits)), shaped)


def test_rounding_does_not_change_a_draw():
    """Among many improbable tokens, too: batches of another size round the logits otherwise."""
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(500, 5_000)).astype(np.float32)
    times = rng.standard_exponential(logits.shape)
    rounded = logits * (1 + rng.uniform(-1e-6, 1e-6, size=logits.shape)).astype(np.float32)
    for sampling in (Sampling(), Sampling(temperature=0.7, top_k=1_000)):
        np.testing.assert_array_equal(draw_tokens(rounded, times, sampling), draw_tokens(logits, times, sampling))


def test_a_sample_does_not_depend_on_how_many_are_drawn():
    source, limits = padded([[3, 4, 5, 2]]), np.array([20])
    [one], [many] = (
        sample(small_model(2), source, Sampling(temperature=3.0), limits=limits, samples=count) for count in (1, 4)
    )
    assert one[0] in many


def test_samples_have_the_probabilities_of_the_model():
    """Whole translations, not only single tokens."""
    model, source, limit = small_model(5), [3, 5, 2], 2
    translations = all_translations(limit)
    probabilities = []
    for ids in translations:
        probability = 1.0
        for position in range(limit):
            allowed = np.exp(next_log_probabilities(model, source, ids[:position])[2:])  # neither pad nor bos
            token = ids[position] if position < len(ids) else 2
            probability *= allowed[token - 2] / allowed.sum()
            if token == 2:
                break
        probabilities.append(probability)
    found = []
    for seed in range(100):
        found += sample(model, padded([source]), Sampling(seed=seed), limits=np.array([limit]), samples=50)[0]
    counted = Counter(tuple(result.ids) for result in found)
    assert sum(counted.values()) == 5000
    assert_frequencies(np.array([counted[tuple(ids)] for ids in translations]), np.array(probabilities))
    forced = {tuple(ids): forced_log_probability(model, source, ids) for ids in translations}
    for result in found:
        assert result.log_probability == pytest.approx(forced[tuple(result.ids)], abs=1e-9)


@given(seed=seeds, norm=norms)
@settings(max_examples=10)
def test_the_most_cautious_sample_is_greedy(seed, norm):
    rng = np.random.default_rng(seed)
    model = small_model(seed, norm)
    source = padded(random_sources(rng, 3))
    limits = np.full(3, 6)
    greedy = greedy_search(model, source, limits=limits)
    for sampling in (Sampling(top_k=1), Sampling(top_p=1e-9), Sampling(temperature=1e-6)):
        assert [one.ids for [one] in sample(model, source, sampling, limits=limits)] == [one.ids for [one] in greedy]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"top_k": 4}, {"top_k": 7, "top_p": 1.0}, {"top_p": 0.9}])
def test_any_temperature_is_a_distribution(dtype, options):
    """Near 0 only the most probable token, towards infinity all alike; what is impossible is never drawn."""
    logits = np.array([-math.inf, -math.inf, 1.25, 80.0, 80.5, -90.0, 0.0], dtype)
    times = np.random.default_rng(0).standard_exponential((4000, 1, len(logits)))
    times[0] = 0  # such a draw is possible, if hardly
    logits = np.broadcast_to(logits, times.shape)
    for temperature in (5e-324, 1e-320, 1e-300, 1e-45, 1e-38, 1e-6):
        drawn = draw_tokens(logits, times, Sampling(temperature=temperature, **options))
        assert set(drawn.ravel().tolist()) == {4}
    for temperature in (1e30, 1e39, 1e300, 1.7976931348623157e308):
        drawn = draw_tokens(logits, times, Sampling(temperature=temperature, **options)).ravel()
        kept = [4, 3, 2, 6, 5][: options.get("top_k", 5)]  # in descending order
        kept = kept[: math.ceil(len(kept) * options.get("top_p", 1.0))]
        expected = np.zeros(len(logits))
        expected[kept] = 1 / len(kept)
        assert_frequencies(np.bincount(drawn, minlength=len(logits)), expected)


@given(seed=seeds, temperature=st.sampled_from([5e-324, 1e-300, 1e-40, 1e-9, 1.0, 1e9, 1e40, 1.7e308]))
@settings(max_examples=20)
def test_no_sample_holds_a_pad_whatever_the_temperature(seed, temperature):
    model, limits = small_model(seed), np.array([8])
    source = padded(random_sources(np.random.default_rng(seed), 1))
    [found] = sample(model, source, Sampling(temperature=temperature, seed=seed), limits=limits, samples=5)
    assert all(token > 2 for one in found for token in one.ids)
    if temperature < 1e-8:
        [[greedy]] = greedy_search(model, source, limits=limits)
        assert all(one.ids == greedy.ids for one in found)


def test_a_seed_repeats_a_sample_and_another_does_not():
    source, limits = padded([[3, 4, 5, 2]]), np.array([20])
    model = small_model(2)
    first, again, other = (
        sample(model, source, Sampling(seed=seed, temperature=3.0), limits=limits, samples=4) for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.0},
        {"temperature": -0.0},
        {"temperature": -1},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"temperature": "hot"},
        {"temperature": None},
        {"temperature": True},
        {"top_k": 2.5},
        {"top_k": "3"},
        {"top_p": "x"},
        {"seed": 0.5},
        {"seed": None},
        {"top_k": 0},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"seed": -1},
    ],
)
def test_impossible_sampling_is_refused(options):
    with pytest.raises(nt.InputError, match="it must be"):
        Sampling(**options)


# --- Attention ---


@pytest.mark.parametrize("norm", ["post", "pre"])
def test_attention_weights_are_distributions(norm):
    weights = attention_weights(small_model(1, norm), [3, 4, 5, 2], [6, 3, 2])
    assert weights.encoder.shape == (2, 2, 4, 4)
    assert weights.decoder.shape == (2, 2, 3, 3)
    assert weights.cross.shape == (2, 2, 3, 4)
    for kind in weights:
        np.testing.assert_allclose(kind.sum(axis=-1), 1)
    assert not np.triu(weights.decoder, 1).any()
