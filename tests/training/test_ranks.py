"""Ranks compute what one process does: the same batch, masks, and sums, to rounding or to the last bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mpi_here import MPIEXEC, needs_mpi
from rank_program import five_updates, fresh_model

from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import Workers

pytest.importorskip("mpi4py", reason="pip install -r requirements-mpi.txt")
HERE = Path(__file__).parent
pytestmark = needs_mpi()


# By name: whether sums are ordered, and what is trained.
CASES = {
    "float64": (False, {"dtype": "float64", "dropout": 0.0, "batches": 2, "workers": 2}),
    "float64, ordered": (True, {"dtype": "float64", "dropout": 0.0, "batches": 2, "workers": 2}),
    "float32": (False, {"dtype": "float32", "dropout": 0.0, "batches": 2, "workers": 1}),
    "two sentences": (False, {"dtype": "float64", "dropout": 0.0, "sentences": 2, "workers": 1}),
    "masks": (True, {"dtype": "float32", "dropout": 0.3, "workers": 1}),
    "ternary weights": (True, {"dtype": "float32", "dropout": 0.0, "workers": 1, "weights": "ternary"}),
    "once": (False, {"dtype": "float32", "dropout": 0.3, "batches": 2, "workers": 2}),
    "twice": (False, {"dtype": "float32", "dropout": 0.3, "batches": 2, "workers": 2}),
}


def on_ranks(count: int, device: str, cases: dict, folder: Path) -> dict[str, list[dict[str, np.ndarray]]]:
    """By the name of the case, what each rank has after five updates (rank_program.py)."""
    done = subprocess.run(
        [MPIEXEC, "-n", str(count), sys.executable, HERE / "rank_program.py", device, folder, json.dumps(cases)],
        capture_output=True,
        text=True,
        env=environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {name: [dict(np.load(folder / f"{name}.{rank}.npz")) for rank in range(count)] for name in cases}


@pytest.fixture(scope="module", params=[2, 3])
def found(request, tmp_path_factory) -> dict[str, list[dict[str, np.ndarray]]]:
    """All cases on two and on three ranks."""
    return on_ranks(request.param, "cpu", CASES, tmp_path_factory.mktemp("ranks"))


def environment() -> dict[str, str]:
    """Where the ranks find the package and the tests; one BLAS thread each, as all ranks are on this machine."""
    support = HERE.parent / "support"
    folders = (HERE.parents[1], support / "stand_in", support, HERE)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders)), "OPENBLAS_NUM_THREADS": "1"}


def on_one(workers: int, dtype: str, dropout: float, weights: str = "float", **size) -> dict[str, np.ndarray]:
    """The same updates, made by one process."""
    model = fresh_model(dtype, dropout, weights=weights)
    with Workers(model, workers) as pool:
        return five_updates(pool, Adam.for_parameters(model.parameters.flat), dropout=dropout, **size)


def assert_same_bits(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.parametrize("case", ["float64", "float64, ordered", "float32", "two sentences"])
def test_ranks_do_what_one_process_does(case, found):
    """Without dropout only the order of the sums differs. Of two sentences, a third rank gets none and adds nothing."""
    options = {**CASES[case][1], "workers": 1}
    tolerance = {"float64": 1e-12, "float32": 5e-5}[options["dtype"]]
    whole = on_one(**options)
    for name, values in found[case][0].items():
        np.testing.assert_allclose(values, whole[name], rtol=0, atol=tolerance * abs(values).max(), err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_all_ranks_have_the_same_bits(case, found):
    for other in found[case][1:]:
        assert_same_bits(other, found[case][0])


@pytest.mark.parametrize("case", ["masks", "ternary weights"])
def test_ordered_sums_give_the_bits_of_one_process_with_as_many_workers(case, found):
    """Dropout masks, clipping, losses and all."""
    ranks = found[case]
    assert_same_bits(ranks[0], on_one(**{**CASES[case][1], "workers": len(ranks)}))


def test_a_layout_repeats_every_bit(found):
    assert_same_bits(found["twice"][0], found["once"][0])


def test_gpu_ranks_do_what_one_process_does(tmp_path):
    """On the stand-in, whose NCCL sums through MPI."""
    options = {"dtype": "float64", "dropout": 0.0, "batches": 2, "workers": 1}
    ranks = on_ranks(2, "gpu", {"gpu": (False, options)}, tmp_path)["gpu"]
    assert_same_bits(*ranks)
    for name, values in on_one(**options).items():
        np.testing.assert_allclose(ranks[0][name], values, rtol=0, atol=1e-12 * abs(values).max(), err_msg=name)
