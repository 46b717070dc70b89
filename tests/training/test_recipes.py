"""How many updates a run makes, how its learning rate rises, and the warning if the two do not fit."""

import math
import re

import pytest

from numpy_transformer.errors import InputError
from numpy_transformer.training.diagnostics import too_few_steps_note, too_little_time_note
from numpy_transformer.training.options import TrainingOptions
from numpy_transformer.training.recipes import RECIPES


def test_what_is_given_goes_before_the_recipe():
    assert TrainingOptions.for_data({"data": "my.tsv", "warmup": 7}).warmup == 7
    assert TrainingOptions.for_data({"data": "multi30k", "dropout": 0.0}).dropout == 0


@pytest.mark.parametrize("data", RECIPES)
def test_a_recipe_is_its_corpus_own_and_its_end_gives_way_to_another(data):
    options = TrainingOptions.for_data({"data": data})
    assert {name: getattr(options, name) for name in RECIPES[data]} == RECIPES[data]
    ended = TrainingOptions.for_data({"data": data, "steps": 5})
    assert (ended.steps, ended.epochs, ended.minutes) == (5, None, None)
    assert ended.warmup == options.warmup


@pytest.mark.parametrize(
    ("end", "advice"),
    [
        ({"steps": 199}, "--steps 400 "),
        ({"steps": 200}, None),
        ({"epochs": 66}, "--epochs 134 "),  # three steps each
        ({"epochs": 67}, None),
        ({"epochs": 67, "steps": 10}, "--steps 400 "),  # whichever comes first
        ({"minutes": 0.1}, None),  # how many steps that will be nobody knows
    ],
)
def test_a_run_that_ends_before_the_rate_has_risen_is_told_so_at_its_beginning(end, advice):
    note = too_few_steps_note(TrainingOptions(warmup=100, **end), steps_per_epoch=3)
    if advice is None:
        assert note is None
    else:
        assert advice in note
        [name, count] = re.search(r"--(steps|epochs) (\d+)", note).groups()
        followed = TrainingOptions(warmup=100, **{name: int(count)})
        assert too_few_steps_note(followed, steps_per_epoch=3) is None


@pytest.mark.parametrize(
    ("step", "seconds", "minutes"),
    [
        (45, 280, 42),  # 280 s / 45 steps * 400 steps, in minutes
        (0, 280, 1867),
        (200, 280, None),  # steps enough
        (45, 240, None),  # the end came from elsewhere
    ],
)
def test_a_machine_too_slow_for_its_minutes_is_told_how_many_it_needs(step, seconds, minutes):
    note = too_little_time_note(TrainingOptions(warmup=100, minutes=4.6), step, seconds)
    assert note is None if minutes is None else f"--minutes {minutes}," in note


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        (
            {"steps": 40, "warmup": 1000, "rate_scale": 0.7},
            "after 40 steps, .*: give it --warmup 10 --rate-scale 0.07,",
        ),
        ({"steps": 1, "warmup": 1000, "rate_scale": 0.7}, "after 1 step, .*: give it --warmup 1 --rate-scale 0.022,"),
        ({"epochs": 500, "warmup": 4000}, r"after 1,500 steps, .*: give it --warmup 375 --rate-scale 0\.31,"),
    ],
)
def test_the_cheap_cure_is_named_first_and_keeps_the_peak(options, cure):
    note = too_few_steps_note(TrainingOptions(**options), steps_per_epoch=3)
    assert re.search(cure + " or more steps: smaller --batch-tokens, or --(steps|epochs) ", note)
    warmup, scale = (float(n) for n in re.search(r"--warmup (\d+) --rate-scale (\S+),", note).groups())
    followed = TrainingOptions(**{**options, "warmup": int(warmup), "rate_scale": scale})
    assert too_few_steps_note(followed, steps_per_epoch=3) is None
    peaks = [o.rate_scale / math.sqrt(o.warmup) for o in (TrainingOptions(**options), followed)]
    assert peaks[0] == pytest.approx(peaks[1], rel=0.03)


def test_the_cheap_cure_is_named_first_when_the_time_is_up():
    note = too_little_time_note(TrainingOptions(warmup=400, rate_scale=0.5, minutes=1), step=40, seconds=60)
    assert "begin again with --warmup 10 --rate-scale 0.079 or smaller --batch-tokens, or" in note


def test_without_minutes_nothing_is_said_of_them():
    assert too_little_time_note(TrainingOptions(warmup=100, steps=5), 5, 1e6) is None


@pytest.mark.parametrize("options", [{"model": "decoder"}, {"task": "parse"}])
def test_words_are_cut_anew_for_translators_and_encoders_only(options):
    with pytest.raises(InputError, match=r"--bpe-dropout is 0\.1; it must be 0, unless of a translator or an encoder"):
        TrainingOptions(**options, bpe_dropout=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"consistency": -1.0}, "--consistency is -1.0; it must be 0, or above 0 with dropout"),
        ({"consistency": 1.0, "dropout": 0.0}, "--consistency is 1.0; it must be 0, or above 0 with dropout"),
        ({"consistency": 1.0, "model": "decoder"}, "--consistency is 1.0; it must be 0, with a model of one stack"),
    ],
)
def test_passes_that_must_agree_need_two_stacks_and_dropout(options, message):
    with pytest.raises(InputError, match=re.escape(message)):
        TrainingOptions(**options)
    assert TrainingOptions(consistency=1.0, dropout=0.0, attention_dropout=0.1).consistency == 1


def test_the_dropout_of_merges_is_a_probability():
    for wrong in (-0.1, 1.0):
        with pytest.raises(InputError, match=r"--bpe-dropout is .*; it must be at least 0 and below 1"):
            TrainingOptions(bpe_dropout=wrong)


def test_classes_have_a_recipe_and_a_size_that_is_chosen_stays():
    classify = {"model": "encoder", "task": "classify", "data": "mine.tsv"}
    options = TrainingOptions.for_data(classify)
    assert (options.layers, options.bpe_dropout, options.dropout) == (2, 0.1, 0.3)
    assert TrainingOptions.for_data({**classify, "preset": "base"}).layers is None
    assert TrainingOptions.for_data({**classify, "from_model": "runs/words"}).layers is None
    assert TrainingOptions.for_data({**classify, "layers": 3, "minutes": 1.0}).epochs is None
    assert TrainingOptions.for_data({"model": "encoder", "data": "mine.txt"}).bpe_dropout == 0
