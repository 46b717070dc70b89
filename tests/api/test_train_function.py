"""nt.train: the run that train.py makes, with a callback a step."""

import dataclasses
import re

import numpy as np
import pytest
from seeing_example import random_translator
from small_run import OPTIONS, smaller, write_corpus

import numpy_transformer as nt
from numpy_transformer.commands import train as command


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    smaller(monkeypatch)
    write_corpus(tmp_path / "corpus")


def test_it_makes_the_run_that_the_program_makes(tmp_path, capsys):
    options = {**OPTIONS, "evaluate_every": 6}
    steps = []
    run = nt.train(data=tmp_path / "corpus", run=tmp_path / "mine", callback=steps.append, **options)
    assert "validation loss" in capsys.readouterr().out
    arguments = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    told = command.parse_arguments([*arguments, "--data", str(tmp_path / "corpus"), "--run", "program"])
    assert command.train(told) == 0
    ours, theirs = (nt.Translator.load(folder).model.parameters.flat for folder in (run.folder, "program"))
    assert np.array_equal(ours, theirs)
    assert run.finished
    assert [step.step for step in steps] == list(range(1, OPTIONS["steps"] + 1))
    assert all(step.updated and step.token_count > 0 and step.loss > 0 for step in steps)
    assert steps[0].best_validation_loss is None
    evaluations = [record["loss"] for record in run.log() if record["kind"] == "evaluation"]
    assert steps[-1].best_validation_loss == min(evaluations[:-1])
    recorded = {record["step"]: record for record in run.log() if record["kind"] == "step"}
    assert recorded[10]["rate"] == steps[9].rate
    assert len(run.translator().translate(["one two"])) == 1


def test_a_callback_that_returns_false_ends_the_run_which_can_be_resumed(capsys):
    run = nt.train(data="corpus", run="part", quiet=True, callback=lambda step: step.step < 7, **OPTIONS)
    assert not run.finished
    rest = []
    assert nt.train(run="part", resume=True, quiet=True, callback=rest.append).finished
    assert [step.step for step in rest] == [8, 9, 10, 11, 12]
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_an_exception_of_the_callback_ends_the_run(tmp_path):
    def callback(step):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        nt.train(data="corpus", run="mine", quiet=True, callback=callback, **OPTIONS)


def test_without_a_name_the_run_goes_to_a_new_folder():
    first = nt.train(data="corpus", quiet=True, vocabulary=280, steps=1, minutes=None)
    second = nt.train(data="corpus", quiet=True, vocabulary=280, steps=1)
    assert first.folder != second.folder
    assert {first.folder.parent.name, second.folder.parent.name} == {"runs"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"warmpu": 3},
            r"unknown option 'warmpu'; known are run, resume, resume_or_begin, callback, quiet, data, source",
        ),
        ({"steps": "ten"}, r"--steps is 'ten'; it must be a whole number"),
        ({"data": "nowhere.tsv"}, r"nowhere\.tsv"),
        ({"run": ""}, "--run is empty"),
        ({"resume": True}, "there is no run in runs/ yet"),
        ({"run": "nowhere", "resume": True}, "nowhere"),
    ],
)
def test_mistakes_are_told_in_one_line(arguments, message, tmp_path):
    with pytest.raises(nt.InputError, match=message) as caught:
        nt.train(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cls", [nt.Sampling, nt.SearchOptions, nt.Constraints, nt.Hypothesis, nt.TrainingRun])
def test_help_explains_every_field(cls):
    for field in dataclasses.fields(cls):
        assert re.search(rf"^ *({field.name}|.*, {field.name}|{field.name}, .*):", cls.__doc__, re.MULTILINE), (
            field.name
        )


def test_every_option_of_the_program_is_one_of_the_function():
    options = vars(command.parse_arguments([]))
    assert options == {}
    parser_names = set(command.parse_arguments(["--steps", "1", "--recompute"]).__dict__)
    assert parser_names <= {field.name for field in dataclasses.fields(nt.TrainingOptions)}


def test_what_is_printed_in_a_notebook_is_short():
    translator = random_translator()
    model, explanation = translator.model, translator.explain("the dog runs")
    values = [
        model,
        model.parameters,
        model.parameters.twin(),
        translator,
        nt.Translator([model, model], translator.tokenizer),
        translator.tokenizer,
        explanation,
        explanation.attention,
        nt.LanguageModel(model.config),
        nt.Encoder(model.config),
        nt.Adam.for_parameters(model.parameters.flat),
    ]
    for value in values:
        assert len(repr(value)) < 300, repr(value)
    assert "1+2 layers, D 16, F 24, H 2, vocabulary 275" in repr(model)
    assert repr(model) in repr(translator)
    assert f"{model.parameters.flat.size:,} numbers of float32" in repr(model.parameters)
