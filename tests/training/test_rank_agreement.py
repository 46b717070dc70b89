"""Ranks that were started differently, or cannot work together, are told so in one line before the first update."""

import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from numpy_transformer.errors import InputError
from numpy_transformer.training.distributed import agreement
from numpy_transformer.training.distributed.agreement import check_start, check_texts, code_version
from numpy_transformer.training.distributed.leading import Leader
from numpy_transformer.training.distributed.mpi import STARTED_BY, MpiRanks
from numpy_transformer.training.distributed.open_ranks import open_ranks
from numpy_transformer.training.distributed.ranks import cores_for_each
from numpy_transformer.training.distributed.star import VARIABLES, Star
from numpy_transformer.training.options import TrainingOptions

ROOT = Path(__file__).resolve().parents[2]
GIVEN = {"data": "multi30k", "dropout": 0.1}
DIGESTS = {"tokenizer": "abc", "training text": "def"}


class Gathered:
    """Ranks of which this one is the first; the others say what they were made with."""

    device = "cpu"
    ordered = True

    def __init__(self, *others) -> None:
        self.rank, self.size, self.host = 0, 1 + len(others), "first"
        self._others = others

    def gather(self, value):
        return [value, *self._others]

    def broadcast(self, value):
        return value


def test_equal_ranks_agree_whatever_is_their_own():
    check_start(Gathered(["second", GIVEN, code_version()]), {**GIVEN, "workers": 3, "data_dir": "data"})
    check_texts(Gathered(["second", DIGESTS]), DIGESTS)


@pytest.mark.parametrize(
    ("other", "code", "expected"),
    [
        (
            {**GIVEN, "dropout": 0.3},
            code_version(),
            "rank 1 on second was started with --dropout 0.3, rank 0 on first with 0.1: "
            "give all ranks the same options",
        ),
        (
            {"data": "multi30k"},
            code_version(),
            "rank 1 on second was started with --dropout its default, rank 0 on first with 0.1: "
            "give all ranks the same options",
        ),
        (
            GIVEN,
            "0.1",
            f"rank 1 on second has another code version (0.1, not {code_version()}) than rank 0 on first: "
            "give all hosts the same files",
        ),
    ],
)
def test_another_start_is_named(other, code, expected):
    with pytest.raises(InputError) as error:
        Leader(Gathered(["second", other, code]), GIVEN)
    assert str(error.value) == expected


@pytest.mark.parametrize("name", DIGESTS)
def test_another_file_is_named(name):
    with pytest.raises(InputError, match=f"^rank 1 on second has another {name} than rank 0 on first: give all hosts"):
        check_texts(Gathered(["second", {**DIGESTS, name: "xyz"}]), DIGESTS)


def test_the_code_version_changes_with_any_source_file(tmp_path, monkeypatch):
    (tmp_path / "numpy_transformer").mkdir()
    monkeypatch.setattr(agreement, "PACKAGES", tmp_path)
    versions = set()
    for text in ("", "a = 1", "a = 2"):
        (tmp_path / "numpy_transformer" / "a.py").write_text(text)
        code_version.cache_clear()
        versions.add(code_version())
    code_version.cache_clear()
    assert len(versions) == 3


class Alike(Gathered):
    """Ranks that were given the same, and made the same of it."""

    def __init__(self, count: int) -> None:
        super().__init__(*range(1, count))

    def gather(self, value):
        return [value] * self.size


def test_more_ranks_than_rows():
    batch = types.SimpleNamespace(inputs=[np.zeros((2, 5))])
    task = types.SimpleNamespace(
        options=TrainingOptions(steps=1, batch_tokens=100),
        digests={},
        tokenizer=types.SimpleNamespace(digest="abc"),
        batches=lambda start: iter([(0, batch)] * 50),
    )
    Leader(Alike(2), GIVEN).check(task)
    with pytest.raises(InputError, match=r"about 2 rows, fewer than the 3 ranks: raise --batch-tokens, or start fewer"):
        Leader(Alike(3), GIVEN).check(task)


def test_a_device_without_sums():
    with pytest.raises(InputError, match="mpi goes with --device cpu, --distributed nccl with --device gpu"):
        Leader(Alike(1), GIVEN).announce(TrainingOptions(steps=1, device="gpu"), None, None)


def test_how_to_go_on():
    told = Leader(Alike(2), GIVEN).started_so("python train.py --resume --run here")
    assert told == "mpiexec -n 2 python train.py --resume --run here --distributed mpi --ordered-sum"


def test_cores_are_shared_by_the_ranks_that_may_use_the_same():
    same, elsewhere, bound = ["first", [0, 1, 2, 3]], ["second", [0, 1, 2, 3]], ["first", [4, 5]]
    assert cores_for_each(Gathered(same, elsewhere, bound), 4, [3, 2, 1, 0]) == 2
    assert cores_for_each(Gathered(same, same, same, same), 4, [0, 1, 2, 3]) == 1


# --- Without what carries the messages ---


def test_without_mpi4py(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(InputError, match="needs the package mpi4py: pip install mpi4py mpich"):
        MpiRanks()


def test_without_an_mpi_library(monkeypatch, tmp_path):
    """mpi4py can be imported without one, its module MPI cannot."""
    package = tmp_path / "mpi4py"
    package.mkdir()
    (package / "__init__.py").write_text("from types import SimpleNamespace\nrc = SimpleNamespace()\n")
    (package / "MPI.py").write_text("raise RuntimeError('cannot load MPI library\\nlibmpi.so: no such file')\n")
    for name in [name for name in sys.modules if name.partition(".")[0] == "mpi4py"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match=r"finds no MPI library \(cannot load MPI library\); pip install mpich"):
        MpiRanks()
    sys.modules.pop("mpi4py", None)


def test_without_mpiexec():
    pytest.importorskip("mpi4py")
    done = subprocess.run(
        [sys.executable, "train.py", "--distributed", "mpi"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (
        2,
        "train.py: --distributed mpi: this process is alone; start it with mpiexec -n 2 python train.py ... "
        "(or your batch system's srun)\n",
    )


def test_an_order_of_sums_in_one_process_or_on_gpus():
    done = subprocess.run([sys.executable, "train.py", "--ordered-sum"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        "train.py: --ordered-sum goes with --distributed: there is nothing to add in one process\n",
    )
    with pytest.raises(InputError, match="--ordered-sum goes with --distributed mpi"), open_ranks("nccl", ordered=True):
        pass


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "start it with mpiexec .*, or set RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT"),
        ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "here"}, "or set MASTER_PORT"),
        ({"RANK": "x", "WORLD_SIZE": "2", "MASTER_ADDR": "here", "MASTER_PORT": "1"}, "must be whole numbers"),
        (
            {"RANK": "2", "WORLD_SIZE": "2", "MASTER_ADDR": "here", "MASTER_PORT": "1"},
            "RANK is 2; it must be from 0 to",
        ),
    ],
)
def test_variables_that_are_missing_or_impossible(variables, expected, monkeypatch):
    for name in (*STARTED_BY, *VARIABLES):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=expected):
        Star()
