"""Ranks compute what one process does: the same batch, the same masks, the same sums to rounding, or to the last bit."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_parallel import CONFIG, make_batches

from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import Workers

pytest.importorskip("mpi4py", reason="pip install -r requirements-mpi.txt")
HERE = Path(__file__).parent
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
pytestmark = pytest.mark.skipif(MPIEXEC is None, reason="no mpiexec: pip install -r requirements-mpi.txt")


def on_ranks(count: int, path: Path, *, ordered: bool = False, **options) -> list[dict[str, np.ndarray]]:
    """What each rank has after five updates (rank_program.py)."""
    told = json.dumps([ordered, str(path), options])
    done = subprocess.run(
        [MPIEXEC, "-n", str(count), sys.executable, HERE / "rank_program.py", told],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [dict(np.load(f"{path}.{rank}.npz")) for rank in range(count)]


def environment() -> dict[str, str]:
    """Where the ranks find the package and the tests; one BLAS thread each, as all ranks are on this machine."""
    folders = (HERE.parents[1], HERE.parent / "support", HERE)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), "OPENBLAS_NUM_THREADS": "1"}


def on_one(workers: int, dtype: str, dropout: float, batches: int = 1, sentences: int = 7) -> dict[str, np.ndarray]:
    """The same updates, made by one process."""
    model = Transformer(CONFIG.replace(dropout=dropout, attention_dropout=dropout), seed=1, dtype=dtype)
    adam = Adam.for_parameters(model.parameters.flat)
    adam.epsilon = 1e-3
    figures = []
    with Workers(model, workers) as pool:
        for step in range(5):
            parts = make_batches(batches, sentences)
            seed = (4, step) if dropout else None
            [result] = pool.step(adam, parts, rate=0.01, seed=seed, label_smoothing=0.1, clip=0.5)
            figures.append([result.loss, result.gradient_norm])
    return {
        "figures": np.array(figures),
        "parameters": model.parameters.flat,
        "first": adam.first_moment,
        "second": adam.second_moment,
    }


def assert_same_bits(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def assert_equal_to_rounding(found, expected, tolerance: float) -> None:
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=tolerance * abs(values).max(), err_msg=name)


@pytest.mark.parametrize(("count", "ordered"), [(2, False), (3, True)])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 5e-5)])
def test_ranks_do_what_one_process_does(count, ordered, dtype, tolerance, tmp_path):
    """Two workers each, batches accumulated, no dropout: only the order of the sums differs."""
    options = {"dtype": dtype, "dropout": 0.0, "batches": 2}
    found = on_ranks(count, tmp_path / "rank", ordered=ordered, workers=2, **options)
    assert_equal_to_rounding(found[0], on_one(1, **options), tolerance)
    for other in found[1:]:
        assert_same_bits(other, found[0])


@pytest.mark.parametrize("count", [2, 3])
def test_ordered_sums_give_the_bits_of_one_process_with_as_many_workers(count, tmp_path):
    options = {"dtype": "float32", "dropout": 0.3}
    found = on_ranks(count, tmp_path / "rank", ordered=True, workers=1, **options)
    for rank in found:
        assert_same_bits(rank, on_one(count, **options))


def test_a_layout_repeats_every_bit(tmp_path):
    first, second = (
        on_ranks(3, tmp_path / name, workers=2, dtype="float32", dropout=0.3, batches=2) for name in ("one", "two")
    )
    for one, other in zip(first, second, strict=True):
        assert_same_bits(one, other)


def test_ranks_without_a_sentence_add_nothing(tmp_path):
    options = {"dtype": "float64", "dropout": 0.0, "sentences": 2}
    found = on_ranks(3, tmp_path / "rank", workers=1, **options)
    assert_equal_to_rounding(found[2], on_one(1, **options), 1e-12)
