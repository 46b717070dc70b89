"""Every operation of every file that a run writes goes wrong once, in every way: no file is half, the run goes on."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import child_run
import children
import pytest
import small_run
from broken_disk import KINDS, Disk

import bpe
from numpy_transformer.storage.tensors import load_tensors

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks")
SIDE_BY_SIDE = 2
OPTIONS = {"steps": 2, "evaluate_every": 2, "average": 1}
CORPORA = {
    "numbers": None,
    "line ends and spaces": [f"{line}\r\r\t{line}\r" for line in (f"one {i} two" for i in range(100))],
}


def check_is_whole(path: Path) -> None:
    """Raises InputError or TokenizerError for a file that is only half there."""
    for file in path.rglob("*"):
        if file.suffix == ".safetensors":
            load_tensors(file)
        elif file.name == "tokenizer.json":
            bpe.Tokenizer.load(file)
        elif file.name == "config.json":
            child_run.RunFolder(path).read_options()
        elif file.name == "curves.png":
            assert file.read_bytes().startswith(b"\x89PNG")


def broken_run(path: Path, data: Path, broken: int, kind: str) -> Callable[[], int]:
    """A run on the broken disk; then, on a whole one, the run that goes on."""

    def work() -> int:
        def first() -> int:
            Disk(broken, kind).install()
            return child_run.go_on(path, data, **OPTIONS)

        said = path.parent / f"{path.name}.said"
        status = children.done(first, said)
        text = said.read_text()
        assert status in (0, 2, -9), text
        assert status != 2 or (text.splitlines()[-1].startswith("error: ") and "Traceback" not in text), text
        check_is_whole(path) if path.exists() else None
        assert children.done(lambda: child_run.go_on(path, data, **OPTIONS), said) == 0, said.read_text()
        whole = child_run.content(path.parent / "whole")
        assert child_run.differences(path, whole) == [], child_run.differences(path, whole)
        return 0

    return work


@pytest.mark.parametrize("corpus", CORPORA)
def test_every_operation_of_every_file(corpus, amount, tried, tmp_path: Path, monkeypatch):
    if corpus != "numbers" and amount(0, 1) == 0:
        pytest.skip("--long")
    small_run.smaller(monkeypatch)
    data = small_run.write_corpus(tmp_path / "data", CORPORA[corpus])

    def count() -> int:
        disk = Disk(None, "")
        disk.install()
        status = child_run.go_on(tmp_path / "whole", data, **OPTIONS)
        (tmp_path / "count").write_text(str(disk.count))
        return status

    assert children.done(count, tmp_path / "said") == 0, (tmp_path / "said").read_text()
    operations = int((tmp_path / "count").read_text())
    faults = [(number, kind) for number in range(operations) for kind in KINDS]
    for start in range(0, len(faults), SIDE_BY_SIDE):
        some = faults[start : start + SIDE_BY_SIDE]
        folders = [tmp_path / f"{number}-{kind.replace(' ', '-')}" for number, kind in some]
        works = [broken_run(folder, data, *fault) for folder, fault in zip(folders, some, strict=True)]
        for fault, status, said in zip(some, *children.all_done(works, tmp_path), strict=True):
            assert status == 0, f"operation {fault[0]}, {fault[1]}: {said}"
        for folder in folders:
            shutil.rmtree(folder)
    tried(f"{operations} operations of a run, {len(KINDS)} faults each: {len(faults)} runs went on and ended the same")
