"""The GPU's code path, on the stand-in: every layer, a training step and a translation, compared with NumPy."""

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import strict_gpu

from numpy_transformer.backend.arrays import to_host
from numpy_transformer.data.batching import Batch, EncodedText
from numpy_transformer.data.sound.sound_batches import SoundBatch, TextIds, make_batch
from numpy_transformer.decoding import Sampling, beam_search, greedy_search, sample
from numpy_transformer.decoding.alignment import attended
from numpy_transformer.decoding.attention_weights import attention_weights
from numpy_transformer.decoding.forced import forced_log_probabilities
from numpy_transformer.decoding.incremental import IncrementalDecoder
from numpy_transformer.decoding.lexical_shortlist import Shortlist
from numpy_transformer.decoding.required_terms import RequiredTerms, Term
from numpy_transformer.decoding.rules import MinimumLength, NoRepeatedNgram
from numpy_transformer.decoding.token_texts import TokenTexts
from numpy_transformer.gradcheck.case import Case
from numpy_transformer.gradcheck.suite import SUITE
from numpy_transformer.layers.parameters import Parameters
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.sound_transformer import SoundTransformer
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.gpu_step import RESULTS_EVERY, GpuStep
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import StepResult, Workers

CONFIG = TransformerConfig(
    vocabulary_size=40,
    encoder_layers=1,
    decoder_layers=2,
    d_model=8,
    d_ff=12,
    heads=2,
    dropout=0.2,
    attention_dropout=0.1,
)
# A key bias has gradient 0 but for rounding, and Adam divides by the size of what it gets.
ROUNDING = 1e-8


def in_dtype(case: Case, dtype: str) -> Case:
    def convert(x):
        return x.astype(dtype)

    object.__setattr__(case, "inputs", {name: convert(x) for name, x in case.inputs.items()})
    object.__setattr__(case, "upstream", convert(case.upstream))
    return case


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-5)])
@pytest.mark.parametrize("layer", SUITE)
def test_every_layer_gives_what_the_cpu_gives(layer, dtype, tolerance):
    for on_cpu, on_gpu in zip(SUITE[layer](3, np), SUITE[layer](3, strict_gpu), strict=True):
        on_cpu, on_gpu = in_dtype(on_cpu, dtype), in_dtype(on_gpu, dtype)
        pairs = {"y": (on_cpu.forward(on_cpu.inputs), on_gpu.forward(on_gpu.inputs))}
        expected, found = on_cpu.gradients(on_cpu.inputs), on_gpu.gradients(on_gpu.inputs)
        pairs |= {name: (expected[name], found[name]) for name in expected}
        for name, (reference, value) in pairs.items():
            assert isinstance(value, strict_gpu.ndarray)
            assert value.dtype == reference.dtype == dtype, name
            scale = max(1.0, abs(reference).max(initial=0))
            np.testing.assert_allclose(to_host(value), reference, rtol=0, atol=tolerance * scale, err_msg=name)


# --- A training step ---


def on_card(model: Transformer) -> Transformer:
    """The same model with its parameters on the pretended card."""
    flat = strict_gpu.asarray(model.parameters.flat)
    model.parameters = Parameters.view(flat, model.parameters.tree)
    return model


def make_batches(count: int, seed: int = 0, size: int = 5) -> list[Batch]:
    rng = np.random.default_rng(seed)
    sides = [[rng.integers(3, 40, rng.integers(1, 9)).tolist() for _ in range(size * count)] for _ in range(2)]
    text = EncodedText.from_ids(sides[0], sides[1], CONFIG)
    return [text.batch(np.arange(size * i, size * (i + 1)), CONFIG.pad_id) for i in range(count)]


class Run:
    """A model, its optimizer and the code that steps them, on the CPU or on the card."""

    def __init__(self, *, card: bool, config: TransformerConfig = CONFIG, dtype: str = "float64") -> None:
        model = Transformer(config, seed=1, dtype=dtype, philox=True)
        self.model = on_card(model) if card else model
        self.adam = Adam.for_parameters(self.model.parameters.flat)
        self.steps = GpuStep(self.model) if card else Workers(self.model, 1)

    def step(self, number: int, *, accumulate: int = 1, clip: float | None = None, size: int = 5) -> list[StepResult]:
        batches = make_batches(accumulate, seed=number, size=size)
        options = {"rate": 0.01 * (number + 1), "seed": (7, number), "label_smoothing": 0.1, "clip": clip}
        return self.steps.step(self.adam, batches, **options)

    @property
    def state(self) -> list[np.ndarray]:
        return [to_host(x) for x in (self.model.parameters.flat, self.adam.first_moment, self.adam.second_moment)]


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("clip", [None, 0.5])
def test_steps_on_the_card_are_those_of_the_cpu(accumulate, clip):
    runs = [Run(card=card) for card in (False, True)]
    on_cpu, on_gpu = (
        [result for number in range(12) for result in run.step(number, accumulate=accumulate, clip=clip)]
        for run in runs
    )
    assert len(on_gpu) == RESULTS_EVERY  # the others are not known yet
    on_gpu += runs[1].steps.collect()
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=1e-9)
    assert runs[0].adam.step == runs[1].adam.step == 12
    for expected, found in zip(runs[0].state, runs[1].state, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=ROUNDING)


def test_a_step_neither_waits_nor_uploads_more_than_ids():
    run = Run(card=True, dtype="float32")
    run.step(0)  # tables of positions
    with strict_gpu.counted() as counts:
        for number in range(1, RESULTS_EVERY - 1):
            assert run.step(number, clip=1.0) == []
    assert counts.synchronizations == 0
    assert counts.uploads == RESULTS_EVERY - 2  # source, target, labels and their positions, packed into one
    with strict_gpu.counted() as counts:
        assert len(run.step(0)) == RESULTS_EVERY
    assert counts.synchronizations == 1


def launches(encoder_layers: int, decoder_layers: int, heads: int = 2, sentences: int = 5) -> int:
    """The number of launches in one step."""
    config = CONFIG.replace(encoder_layers=encoder_layers, decoder_layers=decoder_layers, heads=heads)
    run = Run(card=True, config=config, dtype="float32")
    run.step(0)
    with strict_gpu.counted() as counts:
        run.step(1, size=sentences)
    return counts.launches


def test_docs_say_how_many_launches_a_step_is():
    smallest = launches(1, 1)
    encoder, decoder = launches(2, 1) - smallest, launches(1, 2) - smallest
    rest = smallest - encoder - decoder
    page = " ".join((Path(__file__).parents[2] / "docs" / "gpu.md").read_text(encoding="utf-8").split())
    told = f"{encoder} for an encoder layer, {decoder} for a decoder layer, {rest} for the rest"
    assert f"{told}; with 6 layers each {rest + 6 * (encoder + decoder)}" in page


def test_launches_do_not_grow_with_heads_or_sentences():
    assert launches(1, 1, heads=4, sentences=9) == launches(1, 1)


def test_a_step_that_is_not_finite_changes_nothing_on_the_card():
    run = Run(card=True)
    run.step(0)
    weight = run.model.parameters.tree.decoder[1].feed_forward.output.weight
    good = to_host(weight)[0, 0]
    weight[0, 0] = np.nan
    before = run.state
    run.step(1)
    after = run.state
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)
    weight[0, 0] = good
    run.step(2)
    assert [result.updated for result in run.steps.collect()] == [True, False, True]
    assert run.adam.step == 2  # the bias correction counts updates, not attempts

    never_bad = Run(card=False)
    never_bad.step(0)
    never_bad.step(2)
    for expected, found in zip(never_bad.state, run.state, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=ROUNDING)


@pytest.mark.parametrize(("precision", "bound"), [("float32", 1e-6), ("tf32", 6e-3), ("bfloat16", 5e-2)])
def test_the_gradient_of_a_precision_stays_near_the_exact_one(precision, bound):
    """The relative error of the whole gradient, operands rounded as tensor cores round them."""
    config = CONFIG.replace(dropout=0.0, attention_dropout=0.0, d_model=32, d_ff=64)
    [batch] = make_batches(1)
    exact_loss, exact = Transformer(config, seed=1, dtype="float64").loss_and_gradients(batch.source, batch.target)
    model = on_card(Transformer(config, seed=1))
    model.precision = precision
    loss, gradients = model.loss_and_gradients(batch.source, batch.target)
    error = np.linalg.norm(to_host(gradients.flat) - exact.flat) / np.linalg.norm(exact.flat)
    assert error < bound
    assert error > bound / 1e3
    assert float(loss) == pytest.approx(float(exact_loss), rel=bound)


# --- A translation ---

TEXTS = TokenTexts({token: bytes([96 + token]) for token in range(CONFIG.vocabulary_size)}, special=range(3))
TERM = Term(TEXTS.written([13, 14]), TEXTS, after_space=[13, 14], bare=[13, 14])
SOURCE = np.array([[5, 9, 3, 7, 2], [11, 2, 0, 0, 0], [8, 8, 30, 2, 0]])
SHORTLIST = Shortlist(np.arange(12), np.arange(CONFIG.vocabulary_size)[::-1, None].copy())
SEARCHES = {
    "greedy": lambda model, limits: greedy_search(model, SOURCE, limits=limits, alpha=0.6),
    "beam": lambda model, limits: beam_search(model, SOURCE, limits=limits, beam=3, alpha=0.6),
    "wide beam": lambda model, limits: beam_search(model, SOURCE, limits=limits, beam=17, alpha=0.6, rows=2),
    "shortlist": lambda model, limits: beam_search(
        model, SOURCE, limits=limits, beam=3, alpha=0.6, rows=2, shortlist=SHORTLIST
    ),
    "sampling": lambda model, limits: sample(model, SOURCE, Sampling(seed=5), limits=limits, samples=2),
    "top-k": lambda model, limits: sample(model, SOURCE, Sampling(seed=5, top_k=4, top_p=0.9), limits=limits),
}


@pytest.mark.parametrize("search", SEARCHES)
def test_a_translation_waits_at_most_once_a_step(search):
    limits = np.array([12, 40, 20])
    expected = SEARCHES[search](Transformer(CONFIG, seed=1, dtype="float64"), limits)
    model = on_card(Transformer(CONFIG, seed=1, dtype="float64"))
    with (
        patch.object(IncrementalDecoder, "step", autospec=True, side_effect=IncrementalDecoder.step) as step,
        strict_gpu.counted() as counts,
    ):
        found = SEARCHES[search](model, limits)
    assert [[one.ids for one in sentence] for sentence in found] == [[one.ids for one in each] for each in expected]
    for sentence, each in zip(found, expected, strict=True):
        for one, other in zip(sentence, each, strict=True):
            assert one.score == pytest.approx(other.score, rel=1e-9)
    assert step.call_count > 1
    assert counts.synchronizations <= step.call_count


def test_a_float32_translation_stays_float32_on_the_card():
    model = on_card(Transformer(CONFIG, seed=1))
    options = {"limits": np.array([9, 9, 9]), "beam": 3, "alpha": 0.6}
    on_cpu = beam_search(Transformer(CONFIG, seed=1), SOURCE, **options)
    assert [best.ids for best, *_ in beam_search(model, SOURCE, **options)] == [best.ids for best, *_ in on_cpu]


def test_demands_and_coverage_find_the_same_on_the_card():
    limits = np.array([9, 9, 9])
    options = {
        "beam": 3,
        "alpha": 0.6,
        "n_best": 2,
        "coverage": 0.3,
        "rules": [NoRepeatedNgram(1), MinimumLength(4, CONFIG.eos_id)],
        "required": RequiredTerms(
            [Term(TEXTS.written([13, 14]), TEXTS, after_space=[13, 14], bare=[13, 14])], TEXTS, eos_id=CONFIG.eos_id
        ),
    }
    expected = beam_search(Transformer(CONFIG, seed=1, dtype="float64"), SOURCE, limits=limits, **options)
    found = beam_search(on_card(Transformer(CONFIG, seed=1, dtype="float64")), SOURCE, limits=limits, **options)
    for sentence, each in zip(found, expected, strict=True):
        assert [one.ids for one in sentence] == [one.ids for one in each]
        np.testing.assert_allclose([one.score for one in sentence], [one.score for one in each], rtol=1e-9)


def test_scores_and_attention_of_given_translations_are_the_same_on_the_card():
    target = np.array([[7, 6, 2, 0], [9, 2, 0, 0], [5, 5, 5, 2]])
    pairs = [([5, 9, 2], [7, 6]), ([11, 2], [])]
    found, expected = (
        (
            forced_log_probabilities([model], pairs),
            attended([model], SOURCE, target),
            *attention_weights(model, [5, 9, 2], [7, 6, 2]),
        )
        for model in (on_card(Transformer(CONFIG, seed=1)), Transformer(CONFIG, seed=1))
    )
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


# --- A source of feature vectors ---

HEARING = CONFIG.replace(source_features=6)


def sound_batches(count: int) -> list[SoundBatch]:
    rng = np.random.default_rng(0)
    ids = TextIds(lambda text: [int(word) for word in text.split()], 0, 1, 2)
    lengths = rng.integers(1, 9, (count, 5))
    texts = [[" ".join(map(str, rng.integers(3, 40, length))) for length in row] for row in lengths]
    vectors = [[rng.standard_normal((length + 2, 6)) for length in row] for row in lengths]
    return [make_batch(features, said, ids) for features, said in zip(vectors, texts, strict=True)]


def test_a_model_that_hears_learns_on_the_card_what_it_learns_on_the_cpu():
    losses, states = [], []
    for card in (False, True):
        model = SoundTransformer(HEARING, seed=1, dtype="float64", philox=True)
        model = on_card(model) if card else model
        adam = Adam.for_parameters(model.parameters.flat)
        steps = GpuStep(model) if card else Workers(model, 1)
        found = []
        for number, batch in enumerate(sound_batches(4)):
            found += steps.step(adam, [batch], rate=0.01, seed=(7, number), label_smoothing=0.1)
        losses.append(found + steps.collect())
        states.append(to_host(model.parameters.flat))
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-9)
    np.testing.assert_allclose(states[1], states[0], rtol=1e-6, atol=ROUNDING)


def test_a_sound_is_heard_on_the_card_as_on_the_cpu():
    on_cpu, on_gpu = (SoundTransformer(HEARING, seed=1, dtype="float64") for _ in range(2))
    on_card(on_gpu)
    source = sound_batches(1)[0].source
    limits = np.full(len(source), 9)
    expected, found = (beam_search(m, source, limits=limits, beam=3, alpha=0.6) for m in (on_cpu, on_gpu))
    for one, other in zip(expected, found, strict=True):
        assert one[0].ids == other[0].ids
        assert np.isclose(one[0].score, other[0].score, rtol=1e-9)
