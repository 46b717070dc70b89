"""What a run keeps, and what it must not keep: the state of a run that is stopped, resumed, or no longer finite."""

import os
import re
import signal
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small_run

from numpy_transformer.data import large_corpus
from numpy_transformer.errors import InputError
from numpy_transformer.storage.tensors import load_tensors, save_tensors
from numpy_transformer.training.diagnostics import DivergenceError
from numpy_transformer.training.parallel import StepResult, Workers

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of a process to itself")
CLOCKS = ("seconds", "tokens_per_second")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    small_run.smaller(monkeypatch)
    return small_run.write_corpus(tmp_path / "data")


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Ctrl-C while `step` is computed, whose result is changed."""
    whole_step = Workers.step

    def step_and_signal(self: Workers, adam: Any, *arguments: Any, **options: Any) -> list[StepResult]:
        results = whole_step(self, adam, *arguments, **options)
        if options["seed"][1] == step:
            os.kill(os.getpid(), signal.SIGINT)
        return results

    monkeypatch.setattr(Workers, "step", step_and_signal)


def log_of(path: Path) -> list[dict[str, Any]]:
    """The records without what depends on the clock."""
    return [
        {name: value for name, value in record.items() if name not in CLOCKS}
        for record in small_run.RunFolder(path).read_log()
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run, in a folder beside its text."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as monkeypatch:
        small_run.smaller(monkeypatch)
        small_run.begun(folder / "run", small_run.write_corpus(folder / "data"), steps=24, evaluate_every=24).run()
    return folder / "run"


@pytest.mark.parametrize("step", [3, 13])
def test_a_resumed_run_has_the_log_and_the_samples_of_an_uninterrupted_one(step, whole, data, tmp_path, monkeypatch):
    stop_at(step, monkeypatch)
    assert not small_run.begun(tmp_path / "run", whole.parent / "data", steps=24, evaluate_every=24).run()
    monkeypatch.undo()
    small_run.smaller(monkeypatch)
    assert small_run.resumed(tmp_path / "run").run()
    assert log_of(tmp_path / "run") == log_of(whole)
    assert (tmp_path / "run/samples.txt").read_bytes() == (whole / "samples.txt").read_bytes()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("step", [5, 29])  # in the first epoch, and in the second
def test_a_resumed_run_draws_tokens_and_passes_as_an_uninterrupted_one(step, workers, data, tmp_path, monkeypatch):
    options = {"bpe_dropout": 0.3, "consistency": 2.0, "workers": workers, "steps": 32, "evaluate_every": 32}
    whole, parts = (small_run.begun(tmp_path / name, data, **options) for name in ("whole", "parts"))
    assert whole.steps_per_epoch < 29
    assert whole.run()
    stop_at(step, monkeypatch)
    assert not parts.run()
    monkeypatch.undo()
    small_run.smaller(monkeypatch)
    resumed = small_run.resumed(tmp_path / "parts")
    assert resumed.run()
    np.testing.assert_array_equal(resumed.model.parameters.flat, whole.model.parameters.flat)
    assert log_of(tmp_path / "parts") == log_of(tmp_path / "whole")


def test_words_are_cut_anew_in_training_only(data, tmp_path):
    plain, drawn = (small_run.begun(tmp_path / str(p), data, bpe_dropout=p) for p in (0.0, 0.3))
    assert [batch.source.tolist() for batch in drawn.task.validation_batches()] == [
        batch.source.tolist() for batch in plain.task.validation_batches()
    ]
    assert [batch.source.tolist() for _, batch in islice(drawn.task.batches(0), 9)] != [
        batch.source.tolist() for _, batch in islice(plain.task.batches(0), 9)
    ]


def test_a_text_that_stays_on_disk_cannot_be_cut_anew(data, tmp_path, monkeypatch):
    monkeypatch.setattr(large_corpus, "LARGE", 1)
    with pytest.raises(InputError, match=r"--bpe-dropout 0\.3: .* is so large that .*: leave --bpe-dropout out"):
        small_run.begun(tmp_path / "run", data, bpe_dropout=0.3)


def test_the_signal_is_known(data, tmp_path, monkeypatch):
    stop_at(2, monkeypatch)
    trainer = small_run.begun(tmp_path / "run", data)
    assert not trainer.run()
    assert trainer.stopped_by == signal.SIGINT


def test_sentences_with_line_ends_are_one_line_of_the_samples(tmp_path):
    folder = small_run.RunFolder(tmp_path)
    folder.append_samples("step 1", ["source     a\r\rb", "model      a\n\nb"])
    whole = folder.samples_file.read_bytes()
    assert whole == b"step 1\nsource     a  b\nmodel      a  b\n\n"
    with open(folder.samples_file, "ab") as file:
        file.write(b"step 1\nsource     of\r\rolder versions\n\n")
    folder.rewind(1)
    assert folder.samples_file.read_bytes() == whole + b"step 1\nsource     of\r\rolder versions\n\n"


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_another_text_is_not_the_same_run(part, data, tmp_path):
    small_run.begun(tmp_path / "run", data, steps=4).run()
    state = (tmp_path / "run/checkpoints/training.safetensors").read_bytes()
    file = data / f"{part}.en"
    before = file.read_text(encoding="utf-8")
    file.write_text(before.replace("one", "two", 1), encoding="utf-8")
    with pytest.raises(InputError, match="text is not the one this run began with; restore it"):
        small_run.resumed(tmp_path / "run")
    assert (tmp_path / "run/checkpoints/training.safetensors").read_bytes() == state
    file.write_text(before, encoding="utf-8")
    assert small_run.resumed(tmp_path / "run").run()


def test_a_state_of_before_these_were_kept_can_be_resumed(data, tmp_path):
    """An older version's state has two digests and no sums of the latest steps."""
    small_run.begun(tmp_path / "run", data, steps=4).run()
    file = tmp_path / "run/checkpoints/training.safetensors"
    tensors, metadata = load_tensors(file)
    metadata["progress"] = re.sub(r', "recent": \{.*?\}', "", metadata["progress"])
    metadata["digests"] = re.sub(r', "validation text".*', "}", metadata["digests"])
    assert "recent" not in metadata["progress"]
    save_tensors(file, tensors, metadata)
    trainer = small_run.resumed(tmp_path / "run")
    assert trainer.progress.step == 4
    assert trainer.run()


@pytest.mark.parametrize("where", ["parameters", "moments"])
def test_weights_that_are_not_finite_never_replace_good_ones(where, data, tmp_path, monkeypatch):
    """Ctrl-C after a memory error, or a rate that is far too high."""
    small_run.begun(tmp_path / "run", data, steps=4).run()
    before = {path: path.read_bytes() for path in (tmp_path / "run/checkpoints").iterdir()}
    stop_at(6, monkeypatch)
    trainer = small_run.resumed(tmp_path / "run")
    trainer.duration.options = small_run.TrainingOptions(data=str(data), steps=8)
    buffer = trainer.model.parameters.flat if where == "parameters" else trainer.adam.second_moment
    buffer[-1] = np.nan
    with pytest.raises(DivergenceError, match="the weights at step 6 are not finite: not saved"):
        trainer.run()
    after = {path: path.read_bytes() for path in (tmp_path / "run/checkpoints").iterdir()}
    assert {path: after.get(path) for path in before if "averaged" not in path.name} == {
        path: content for path, content in before.items() if "averaged" not in path.name
    }


@pytest.mark.parametrize(
    ("loss", "gradient", "message"),
    [
        (np.nan, 1.0, "had a loss that is not finite;"),
        (1.0, 1e30, "had finite gradients so large that float32 cannot hold their norm;"),
        (np.nan, np.nan, r"had gradients that are not finite \(listed above\);"),
    ],
)
def test_what_was_wrong_with_five_steps_is_said(loss, gradient, message, data, tmp_path, monkeypatch, capsys):
    def broken(self: Workers, *arguments: Any, **options: Any) -> float:
        self.gradients[...] = gradient
        return loss

    monkeypatch.setattr(Workers, "loss_and_gradients", broken)
    with pytest.raises(DivergenceError, match=message):
        small_run.begun(tmp_path / "run", data).run()
    assert ("gradients not finite" in capsys.readouterr().out) == ("listed" in message)
