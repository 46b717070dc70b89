"""Options that follow from a text's size: enough updates, a rate that rises and falls, what is given stays."""

import math

import pytest

from numpy_transformer.data.files import ParallelText
from numpy_transformer.training.diagnostics import too_few_steps_note
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.own_text import choices, suited
from numpy_transformer.training.recipes import RECIPES

SIZES = (1, 10, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
PEAK = 0.7 / math.sqrt(1000)  # times d_model^-0.5


def text_of(pairs: int) -> ParallelText:
    """Sentences as long as those of Tatoeba: 34 and 38 characters."""
    return ParallelText(["x" * 34] * pairs, ["y" * 38] * pairs)


def own(given: dict, pairs: int) -> TrainingOptions:
    given = {"data": "my.tsv", **given}
    return suited(TrainingOptions.for_data(given), given, text_of(pairs))[0]


@pytest.mark.parametrize("pairs", SIZES)
@pytest.mark.parametrize("preset", ["tiny", "small"])
def test_a_text_of_any_size_gets_updates_enough_for_its_warmup(pairs: int, preset: str):
    options = own({"preset": preset}, pairs)
    steps_per_epoch = max(1, 13 * pairs // options.batch_tokens)
    assert too_few_steps_note(options, steps_per_epoch) is None
    peak = PEAK / 2 if options.batch_tokens <= 256 else PEAK
    assert options.rate_scale / math.sqrt(options.warmup) == pytest.approx(peak, rel=0.01)
    assert options.epochs * steps_per_epoch >= 4 * options.evaluate_every


def test_larger_texts_get_larger_batches_and_vocabularies_longer_warmups_and_less_dropout():
    chosen = [own({}, pairs) for pairs in SIZES]
    for name in ("vocabulary", "batch_tokens", "warmup"):
        values = [getattr(options, name) for options in chosen]
        assert values == sorted(values)
        assert values[0] < values[-1]
    for name in ("dropout", "epochs"):
        values = [getattr(options, name) for options in chosen]
        assert values == sorted(values, reverse=True)
        assert values[0] > values[-1]
    assert own({}, 10**7).vocabulary == 8000


@pytest.mark.parametrize("pairs", [0, 1, 10**8])
def test_the_options_of_extreme_texts_are_possible(pairs: int):
    characters = ParallelText(["x" * pairs], ["y" * pairs]) if pairs else ParallelText([""], [""])
    options, _ = suited(TrainingOptions.for_data({"data": "my.tsv"}), {}, characters)
    assert options.evaluate_every >= 1
    assert options.epochs >= 20


def test_what_is_given_stays_and_the_rest_follows_it():
    given = {
        "vocabulary": 777,
        "batch_tokens": 99,
        "dropout": 0.0,
        "epochs": 3,
        "evaluate_every": 5,
        "warmup": 7,
        "rate_scale": 9.0,
    }
    options = own(given, 300)
    assert {name: getattr(options, name) for name in given} == given
    assert suited(options, given, text_of(300)) == (options, None)
    assert own({"warmup": 1000}, 3_000).rate_scale == pytest.approx(0.7)
    assert own({"warmup": 1000}, 300).rate_scale == pytest.approx(0.35)
    halved, whole = own({"batch_tokens": 128}, 300), own({"batch_tokens": 256}, 300)
    assert halved.evaluate_every == pytest.approx(2 * whole.evaluate_every, abs=1)
    assert own({"steps": 100}, 100_000).warmup == 25
    assert own({"steps": 1}, 100_000).warmup == 10
    ended = own({"minutes": 3.0}, 300)
    assert (ended.minutes, ended.epochs) == (3.0, None)


@pytest.mark.parametrize("preset", ["base", "big"])
def test_the_large_presets_keep_the_papers_schedule(preset: str):
    options, paper = own({"preset": preset}, 300), TrainingOptions()
    assert (options.warmup, options.rate_scale) == (paper.warmup, paper.rate_scale)
    assert options.batch_tokens < paper.batch_tokens


@pytest.mark.parametrize("data", RECIPES)
def test_a_corpus_with_a_recipe_keeps_it(data: str):
    options = TrainingOptions.for_data({"data": data})
    assert suited(options, {"data": data}, text_of(300)) == (options, None)


def test_the_user_is_told_what_was_chosen():
    options, note = suited(TrainingOptions(data="my.tsv"), {"dropout": 0.1}, text_of(1))
    assert note.startswith("chosen to suit 1 training pair: --vocabulary ")
    for name, value in choices(options, {"dropout": 0.1}, text_of(1)).items():
        assert f"--{name.replace('_', '-')} {value} (" in note
    assert "--dropout" not in note
    assert "\n" not in note
