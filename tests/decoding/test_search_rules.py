"""The options of beam search besides its width: rules, terms, coverage, ensembles, waiting rows, a recorder."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_model import VOCABULARY, all_translations, forced_log_probability, padded, random_sources, small_model

import numpy_transformer as nt
from numpy_transformer.decoding import beam_search
from numpy_transformer.decoding.attention_weights import attention_weights
from numpy_transformer.decoding.ensemble import mean_log_probabilities
from numpy_transformer.decoding.forced import forced_log_probabilities
from numpy_transformer.decoding.recorder import BeamRecorder
from numpy_transformer.decoding.reference import next_log_probabilities, penalised
from numpy_transformer.decoding.required_terms import RequiredTerms, Term
from numpy_transformer.decoding.rules import BannedText, ForcedPrefix, MinimumLength, NoRepeatedNgram
from numpy_transformer.decoding.token_texts import TokenTexts

EOS = 2
LIMIT = 3
BYTES = {0: b"<a>", 1: b"b", 2: b"ab", 3: b"a", 4: b"ab", 5: b"b", 6: b"ba"}  # several ways to write the same
TEXTS = TokenTexts(BYTES, special={0, 1, 2})  # whose names are no text
seeds = st.integers(0, 2**32 - 1)
words = st.integers(3, VOCABULARY - 1)
texts = st.text("ab", min_size=1, max_size=4).map(str.encode)


def spelled(ids: list[int]) -> bytes:
    return b"".join(BYTES[token] for token in ids)


def ways_to_write(text: bytes) -> list[list[int]]:
    return (
        [
            [token, *rest]
            for token in range(3, 7)
            if text.startswith(BYTES[token])
            for rest in ways_to_write(text[len(BYTES[token]) :])
        ]
        if text
        else [[]]
    )


def term_of(text: bytes, way: int = 0) -> Term:
    ways = ways_to_write(text)
    return Term(text, TEXTS, after_space=ways[way % len(ways)], bare=ways[way // 2 % len(ways)])


def required_terms(wanted: list[bytes], way: int = 0) -> RequiredTerms:
    return RequiredTerms([term_of(text, way) for text in wanted], TEXTS, eos_id=EOS)


# Of each rule: how to make it from a drawn value, and what it promises of a translation.
RULES = {
    "minimum": (st.integers(0, LIMIT), lambda n: MinimumLength(n, EOS), lambda n, ids: len(ids) >= n),
    "prefix": (
        texts,
        lambda text: ForcedPrefix(text, TEXTS, eos_id=EOS),
        lambda text, ids: spelled(ids).startswith(text),
    ),
    "ngram": (
        st.integers(1, 3),
        NoRepeatedNgram,
        lambda n, ids: len({tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)}) == max(0, len(ids) - n + 1),
    ),
    "banned": (
        st.text("ab", min_size=1, max_size=3).map(str.encode),
        lambda text: BannedText(text, TEXTS),
        lambda text, ids: text not in spelled(ids),
    ),
}


def test_a_prefix_does_not_allow_what_another_rule_forbids():
    banned, prefix = BannedText(b"a", TEXTS), ForcedPrefix(b"a", TEXTS, eos_id=EOS)
    for rules in ([banned, prefix], [prefix, banned]):
        [found] = beam_search(
            small_model(0), padded([[3, EOS]]), limits=np.array([LIMIT]), beam=5, alpha=0.6, rules=rules
        )
        assert found == []


@given(seed=seeds, data=st.data())
@settings(max_examples=60)
def test_a_wide_beam_finds_the_best_of_what_the_rules_allow(seed, data):
    """Each rule alone or several together: exactly the allowed translations remain, with the model's own scores."""
    model, source = small_model(seed), [3, 4, EOS]
    rules, promises = [], []
    for name in data.draw(st.lists(st.sampled_from(sorted(RULES)), max_size=2, unique=True)):
        values, make, holds = RULES[name]
        value = data.draw(values)
        rules.append(make(value))
        promises.append((holds, value))
    wanted = data.draw(st.lists(texts, max_size=1))
    required = required_terms(wanted, data.draw(st.integers(0, 9))) if wanted else None

    allowed = [
        ids
        for ids in all_translations(LIMIT)
        if all(holds(value, ids) for holds, value in promises) and all(text in spelled(ids) for text in wanted)
    ]
    for ids in all_translations(LIMIT):
        assert all(rule.holds(ids) for rule in rules) == all(holds(value, ids) for holds, value in promises)
        assert required is None or required.holds(ids) == (wanted[0] in spelled(ids))
    scored = sorted(
        ((penalised(forced_log_probability(model, source, ids), len(ids) + 1, 0.6), ids) for ids in allowed),
        key=lambda result: -result[0],
    )
    [found] = beam_search(
        model,
        padded([source]),
        limits=np.array([LIMIT]),
        beam=400,
        alpha=0.6,
        n_best=5,
        rules=rules,
        required=required,
    )
    assert [result.ids for result in found] == [ids for _, ids in scored[:5]]
    np.testing.assert_allclose([result.score for result in found], [score for score, _ in scored[:5]])


@given(
    seed=seeds,
    beam=st.integers(1, 5),
    wanted=st.lists(texts, min_size=1, max_size=3),
    way=st.integers(0, 9),
    prefix=st.one_of(st.just(b""), texts),
    extra=st.integers(0, 6),
)
def test_every_translation_holds_the_required_terms(seed, beam, wanted, way, prefix, extra):
    """However narrow the beam, however improbable the terms, however little room there is."""
    model = small_model(seed, sharpness=3.0)
    sources = random_sources(np.random.default_rng(seed), 2)
    rule = required_terms(wanted, way)
    first = ForcedPrefix(prefix, TEXTS, eos_id=EOS, reserve=rule.tokens)
    limits = np.full(2, first.tokens + rule.tokens + extra)
    for results in beam_search(
        model, padded(sources), limits=limits, beam=beam, alpha=0.6, n_best=beam, required=rule, rules=[first]
    ):
        assert results
        for result in results:
            assert all(text in spelled(result.ids) for text in wanted)
            assert spelled(result.ids).startswith(prefix)
            assert len(result.ids) <= limits[0]


@given(seed=seeds, beam=st.integers(1, 4), n=st.integers(1, 3), banned=st.text("ab", min_size=2, max_size=4))
def test_rules_hold_in_long_translations(seed, beam, n, banned):
    model = small_model(seed)
    sources = random_sources(np.random.default_rng(seed), 3)
    rules = [NoRepeatedNgram(n), BannedText(banned.encode(), TEXTS)]
    limits = np.full(3, 20)
    for results in beam_search(model, padded(sources), limits=limits, beam=beam, alpha=1.0, rules=rules):
        for result in results:
            assert RULES["ngram"][2](n, result.ids)
            assert banned.encode() not in spelled(result.ids)


def test_where_the_rules_leave_nothing_nothing_is_found():
    rules = [ForcedPrefix(b"a", TEXTS, eos_id=EOS), BannedText(b"a", TEXTS)]
    assert beam_search(small_model(0), padded([[3, EOS]]), limits=np.array([5]), beam=3, alpha=0.6, rules=rules) == [[]]


@pytest.mark.parametrize("make", [lambda: BannedText(b"", TEXTS), lambda: Term(b"", TEXTS, after_space=[3], bare=[])])
def test_empty_terms_are_refused(make):
    with pytest.raises(nt.InputError, match="empty"):
        make()


@given(seed=seeds, beta=st.floats(0.1, 2.0))
@settings(max_examples=20)
def test_the_coverage_penalty_is_that_of_the_paper(seed, beta):
    """Against the weights that the whole model computes without a cache; and it decides which translation wins."""
    model, source, limit = small_model(seed), [3, 5, 4, EOS], 2
    scored = []
    for ids in all_translations(limit):
        last_layer = attention_weights(model, source, [*ids, EOS]).cross[-1]  # (H, T, S)
        attended = last_layer.mean(axis=0).sum(axis=0)
        score = penalised(forced_log_probability(model, source, ids), len(ids) + 1, 0.6)
        scored.append((score + beta * np.log(np.minimum(attended, 1)).sum(), ids))
    scored.sort(key=lambda result: -result[0])
    [found] = beam_search(
        model, padded([source]), limits=np.array([limit]), beam=120, alpha=0.6, n_best=3, coverage=beta
    )
    assert [result.ids for result in found] == [ids for _, ids in scored[:3]]
    np.testing.assert_allclose([result.score for result in found], [score for score, _ in scored[:3]])


@given(seed=seeds)
@settings(max_examples=15)
def test_an_ensemble_searches_the_mean_of_the_probabilities(seed):
    models = [small_model(seed), small_model(seed + 1, "pre"), small_model(seed + 2)]
    source, limit = [3, 5, EOS], 2

    def log_probability(ids: list[int]) -> float:
        total = 0.0
        for t, token in enumerate([*ids, EOS]):
            total += np.log(
                np.mean([np.exp(next_log_probabilities(model, source, ids[:t])[token]) for model in models])
            )
        return total

    scored = sorted(((log_probability(ids), ids) for ids in all_translations(limit)), key=lambda result: -result[0])
    [found] = beam_search(models, padded([source]), limits=np.array([limit]), beam=120, alpha=0.0, n_best=4)
    assert [result.ids for result in found] == [ids for _, ids in scored[:4]]
    np.testing.assert_allclose([result.log_probability for result in found], [score for score, _ in scored[:4]])
    forced = forced_log_probabilities(models, [(source, result.ids) for result in found])
    np.testing.assert_allclose(forced, [result.log_probability for result in found])


def test_the_mean_of_one_is_itself():
    logits = np.random.default_rng(0).normal(size=(2, 3, 5))
    mean = mean_log_probabilities([logits.copy()])
    np.testing.assert_allclose(np.exp(mean).sum(axis=-1), 1)
    np.testing.assert_allclose(mean - mean[..., :1], logits - logits[..., :1])


@given(
    seed=seeds, norm=st.sampled_from(["post", "pre"]), beam=st.integers(1, 4), rows=st.integers(1, 8), data=st.data()
)
def test_sentences_that_wait_for_a_row_fare_as_alone(seed, norm, beam, rows, data):
    """Continuous batching: sentences of all lengths come and go, at positions of their own."""
    rng = np.random.default_rng(seed)
    model = small_model(seed, norm)
    sources = random_sources(rng, 9)
    limits = rng.integers(0, 14, len(sources))
    options = {"beam": beam, "alpha": 0.6, "n_best": data.draw(st.integers(1, beam))}
    options["coverage"] = data.draw(st.sampled_from([0.0, 0.3]))
    together = beam_search(model, padded(sources), limits=limits, rows=rows, **options)
    for source, limit, results in zip(sources, limits, together, strict=True):
        [alone] = beam_search(model, padded([source]), limits=np.array([limit]), **options)
        assert [result.ids for result in results] == [result.ids for result in alone]
        np.testing.assert_allclose([one.score for one in results], [one.score for one in alone], atol=1e-9)


@given(seed=seeds, beam=st.integers(1, 4))
def test_forced_scores_equal_those_of_the_search(seed, beam):
    model = small_model(seed)
    sources = random_sources(np.random.default_rng(seed), 4)
    found = beam_search(model, padded(sources), limits=np.full(4, 6), beam=beam, alpha=0.6, n_best=beam)
    pairs = [(source, result.ids) for source, results in zip(sources, found, strict=True) for result in results]
    expected = [result.log_probability for results in found for result in results]
    np.testing.assert_allclose(forced_log_probabilities(model, pairs), expected, atol=1e-9)
    np.testing.assert_allclose(forced_log_probabilities(model, pairs, rows=2), expected, atol=1e-9)


@given(seed=seeds, beam=st.integers(1, 4))
def test_the_recorder_tells_the_whole_search(seed, beam):
    """The path of each kept candidate, read back through its parents, adds up to its total; finished ones are found."""
    model = small_model(seed)
    sources = random_sources(np.random.default_rng(seed), 3)
    recorder = BeamRecorder()
    options = {"limits": np.full(3, 5), "beam": beam, "alpha": 0.6, "n_best": beam}
    found = beam_search(model, padded(sources), recorder=recorder, rows=2, **options)
    assert found == beam_search(model, padded(sources), rows=2, **options)
    for sentence, source in enumerate(sources):
        paths: list[list[int]] = [[]] * beam
        finished = {}
        for step in recorder.steps[sentence]:
            candidates = step.candidates
            totals = [candidate.total for candidate in candidates]
            assert totals == sorted(totals, reverse=True)
            continued = [[*paths[candidate.parent], candidate.token] for candidate in candidates]
            for path, candidate in zip(continued, candidates, strict=True):
                if candidate.total == -np.inf:
                    continue
                expected = sum(next_log_probabilities(model, source, path[:t])[v] for t, v in enumerate(path))
                assert candidate.total == pytest.approx(expected, abs=1e-9)
                assert candidate.score == pytest.approx(penalised(expected, len(path), 0.6), abs=1e-9)
                if candidate.fate == "finished":
                    finished[tuple(path[:-1])] = candidate.score
            paths = continued[:beam]
        best = sorted(finished, key=lambda ids: -finished[ids])[:beam]
        assert [tuple(result.ids) for result in found[sentence]] == best
