"""The folder of a run: one process at a time, nothing left if nothing was written, nothing lost by a full disk."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import bpe
from bpe import files
from numpy_transformer import Transformer, TransformerConfig
from numpy_transformer.errors import InputError
from numpy_transformer.storage import locks
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.run_folder import RunFolder, RunProgress

ROOT = Path(__file__).resolve().parents[2]


def test_a_claimed_folder_is_gone_if_nothing_was_written(tmp_path: Path):
    (tmp_path / "mine").mkdir()
    with RunFolder(tmp_path / "mine" / "new" / "run").claimed():
        assert (tmp_path / "mine" / "new" / "run").is_dir()
    assert list(tmp_path.iterdir()) == [tmp_path / "mine"]
    assert list((tmp_path / "mine").iterdir()) == []
    with RunFolder(tmp_path / "run").claimed():
        (tmp_path / "run" / "log.jsonl").write_text("{}\n")
    assert (tmp_path / "run" / "log.jsonl").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"--run .*file.run: cannot be written to \(Not a directory\)"),
        RunFolder(tmp_path / "file" / "run").claimed(),
    ):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="no locks on folders")
def test_one_process_at_a_time(tmp_path: Path):
    script = """import sys
from numpy_transformer.training.run_folder import RunFolder
with RunFolder(sys.argv[1]).claimed(): pass"""
    command = [sys.executable, "-c", script, str(tmp_path / "run")]
    with RunFolder(tmp_path / "run").claimed():
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert "another process is training in it" in result.stderr
        assert (tmp_path / "run").is_dir()
    assert subprocess.run(command, cwd=ROOT).returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no locks on folders")
def test_who_is_refused_does_not_remove_the_folder_of_who_holds_it(tmp_path: Path):
    """Both began when there was no folder yet."""
    script = """import pathlib, sys
from numpy_transformer.training.run_folder import RunFolder
pathlib.Path.exists = lambda path: False
with RunFolder(sys.argv[1]).claimed(): pass"""
    with RunFolder(tmp_path / "run").claimed():
        command = [sys.executable, "-c", script, str(tmp_path / "run")]
        assert "another process" in subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stderr
        assert (tmp_path / "run").is_dir()


@pytest.mark.skipif(sys.platform == "win32", reason="no locks on folders")
def test_a_folder_that_was_removed_before_its_lock_is_made_again(tmp_path: Path, monkeypatch):
    """Another process, which wrote nothing, ended between the opening of the folder and its lock."""
    path, opened = tmp_path / "run", []

    def open_and_lose(name: Path, flags: int) -> int:
        descriptor = os.open(name, flags)
        if not opened:
            path.rmdir()
        opened.append(name)
        return descriptor

    path.mkdir()
    monkeypatch.setattr(locks, "os", SimpleNamespace(**{**vars(os), "open": open_and_lose}))
    with RunFolder(path).claimed():
        assert path.is_dir()
        with pytest.raises(InputError, match="another process"), RunFolder(path).claimed():
            pass
    assert len(opened) == 3


def test_a_run_that_another_process_began_in_the_meantime_is_not_begun_again(tmp_path: Path):
    """Whether there is a run is asked under the lock."""
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="already holds a run"), RunFolder(tmp_path).claimed(new=True):
        pass


def test_what_a_killed_process_left_is_removed(tmp_path: Path):
    folder = RunFolder(tmp_path)
    folder.checkpoints.mkdir()
    kept = {tmp_path / ".mine.tmp", tmp_path / "notes.0123abcd.tmp", folder.checkpoints / "best.safetensors"}
    for path in kept | {tmp_path / ".log.jsonl.0123abcd.tmp", folder.checkpoints / ".best.safetensors.ff00ff00.tmp"}:
        path.write_text("")
    with folder.claimed():
        pass
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == kept


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_said_with_the_file(tmp_path: Path):
    folder = RunFolder(tmp_path)
    for path in (folder.log_file, folder.samples_file):
        path.symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"log\.jsonl: cannot be written \(No space left on device\)"):
        folder.append_log({"kind": "step", "step": 1})
    with pytest.raises(InputError, match=r"samples\.txt: cannot be written \(No space left on device\)"):
        folder.append_samples("step 1", ["source a"])


def test_log_and_samples_are_on_the_disk_before_the_state(tmp_path: Path, monkeypatch):
    folder = RunFolder(tmp_path)
    folder.append_log({"kind": "step", "step": 1})
    folder.append_samples("step 1", ["source a"])
    forced = []
    monkeypatch.setattr(files.os, "fsync", lambda descriptor: forced.append(os.fstat(descriptor).st_ino))
    model = Transformer(TransformerConfig(vocabulary_size=9, d_model=4, d_ff=4, heads=2, encoder_layers=1))
    folder.save_training(model, Adam.for_parameters(model.parameters.flat), RunProgress(step=1), {})
    written = [folder.log_file, folder.samples_file, folder.training_file]
    assert [inode for inode in forced if inode in {path.stat().st_ino for path in written}] == [
        path.stat().st_ino for path in written
    ]


def test_samples_cut_inside_a_character_are_rewound(tmp_path: Path):
    folder = RunFolder(tmp_path)
    folder.append_samples("step 1", ["model      schön"])
    whole = folder.samples_file.read_bytes()
    with open(folder.samples_file, "ab") as file:
        file.write("step 2\nmodel      schö".encode()[:-1])
    folder.rewind(1)
    assert folder.samples_file.read_bytes() == whole


def test_checkpoints_of_after_the_state_are_dropped(tmp_path: Path):
    """A run that was killed between a checkpoint and the state, and resumes with a different --evaluate-every."""
    folder = RunFolder(tmp_path)
    folder.checkpoints.mkdir()
    for name in ("step-00000004", "step-00000008", "step-100000000", "best"):
        (folder.checkpoints / f"{name}.safetensors").write_text("")
    folder.rewind(4)
    assert sorted(path.stem for path in folder.checkpoints.iterdir()) == ["best", "step-00000004"]


def test_a_state_is_missing_only_before_the_first_checkpoint(tmp_path: Path):
    folder = RunFolder(tmp_path)
    model = Transformer(TransformerConfig(vocabulary_size=9, d_model=4, d_ff=4, heads=2, encoder_layers=1))
    adam = Adam.for_parameters(model.parameters.flat)
    assert folder.load_training(model, adam, {}) == RunProgress()
    model.save(folder.best_file)
    with pytest.raises(InputError, match=r"training\.safetensors is missing, so the run cannot go on"):
        folder.load_training(model, adam, {})


def test_another_tokenizer_is_named_whatever_its_size(tmp_path: Path):
    folder = RunFolder(tmp_path)
    tokenizer, other = bpe.Tokenizer([(b"a", b"b")]), bpe.Tokenizer([])
    sizes = {"d_model": 4, "d_ff": 4, "heads": 2, "encoder_layers": 1, "decoder_layers": 1}
    model, another = (Transformer(TransformerConfig(vocabulary_size=len(t), **sizes)) for t in (tokenizer, other))
    adam = Adam.for_parameters(model.parameters.flat)
    folder.save_training(model, adam, RunProgress(step=3), {"tokenizer": tokenizer.digest})
    assert folder.load_training(model, adam, {"tokenizer": tokenizer.digest}).step == 3
    with pytest.raises(InputError, match="the tokenizer is not the one this run began with"):
        folder.load_training(another, Adam.for_parameters(another.parameters.flat), {"tokenizer": other.digest})
