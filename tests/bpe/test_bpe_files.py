"""A file appears whole and for good, or not at all; what a killed process leaves is recognized."""

import os
import stat
from pathlib import Path

import pytest

import bpe
from bpe import files


def recorded_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is forced to the disk and renamed from now on, in order."""
    calls: list[str] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        calls.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def noted_replace(source: str, target: str) -> None:
        calls.append("rename")
        replace(source, target)

    monkeypatch.setattr(files.os, "fsync", noted_fsync)
    monkeypatch.setattr(files.os, "replace", noted_replace)
    return calls


def test_a_tokenizer_is_on_the_disk_before_it_has_its_name_and_its_name_after(tmp_path: Path, monkeypatch):
    calls = recorded_calls(monkeypatch)
    bpe.Tokenizer([]).save(tmp_path / "tokenizer.json")
    assert calls == ["file", "rename", "folder"]


def test_a_leftover_of_the_same_process_number_is_no_obstacle_and_is_recognized(tmp_path: Path, monkeypatch):
    """In a container the number is always the same."""
    made = []
    monkeypatch.setattr(files.os, "replace", lambda source, target: made.append(source))  # as if killed before it
    monkeypatch.setattr(files.os, "unlink", lambda path: None)
    for _ in range(2):
        bpe.Tokenizer([]).save(tmp_path / "tokenizer.json")
    monkeypatch.undo()
    assert len({*made}) == 2
    assert {*map(str, tmp_path.iterdir())} == {*made}
    files.remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_new_folder_is_entered_into_those_above_for_good(tmp_path: Path, monkeypatch):
    calls = recorded_calls(monkeypatch)
    files.make_folder(tmp_path / "runs" / "mine")
    assert (tmp_path / "runs" / "mine").is_dir()
    assert calls == ["folder", "folder"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch):
    def write(fails: bool) -> None:
        with files.whole_folder(tmp_path / "out") as folder:
            for name in ("a", "b"):
                Path(folder, name).write_text(name)
            if fails:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(fails=True)
    assert list(tmp_path.iterdir()) == []
    calls = recorded_calls(monkeypatch)
    write(fails=False)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a", "b"}
    assert calls == ["folder", "file", "file", "folder", "folder"]  # made, its two files and itself, renamed


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="only some systems give open files a name")
def test_a_stream_is_never_replaced(tmp_path: Path):
    with open(tmp_path / "log", "w") as log, pytest.raises(bpe.TokenizerError, match="device"):
        bpe.Tokenizer([]).save(f"/dev/fd/{log.fileno()}")
