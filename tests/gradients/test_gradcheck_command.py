"""python -m numpy_transformer.gradcheck: its table, its picture, its exit status."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mutation import installed, mutants_of

from numpy_transformer.backend.arrays import device_module
from numpy_transformer.errors import InputError
from numpy_transformer.gradcheck.__main__ import main
from numpy_transformer.gradcheck.suite import SUITE, derivation_of
from numpy_transformer.layers.softmax import softmax_backward

PACKAGE = Path(__file__).resolve().parents[2] / "numpy_transformer"


def test_every_layer_has_a_derivation_where_the_table_says():
    for layer in SUITE:
        text = (PACKAGE / derivation_of(layer)).read_text(encoding="utf-8")
        assert "Derivation" in text.split('"""')[1], layer


def test_every_layer_file_is_in_the_table():
    without = {"__init__.py", "arithmetic.py", "parameters.py", "position_table.py"}  # without a gradient
    files = {path.name for path in (PACKAGE / "layers").glob("*.py")} - without
    assert files == {Path(derivation_of(layer)).name for layer in SUITE} - {"blocks.py", "encoder_decoder.py"}


def test_every_row_group_has_a_name_of_its_own_that_the_command_knows():
    for layer, recipe in SUITE.items():
        cases = recipe(0, np)
        assert {case.name.partition(" (")[0] for case in cases} == {layer}
        assert len({case.name for case in cases}) == len(cases)


def test_the_whole_table_agrees(capsys):
    assert main([]) == 0
    output = capsys.readouterr().out
    assert "0 disagreements" in output
    assert "transformer (pre-norm)" in output
    assert output.count("equal") >= 190


@pytest.mark.parametrize("seed", ["1", "2"])
def test_other_seeds_agree(seed):
    assert main(["layer_norm", "attention", "cross_entropy", "--seed", seed]) == 0


def test_a_wrong_gradient_is_named_and_gives_status_1(capsys):
    mutant = next(m for m in mutants_of(softmax_backward) if "leave out: dx *= y" in m.label)
    with installed(mutant):
        assert main(["softmax", "--seed", "4"]) == 1
    output = capsys.readouterr().out
    assert "WRONG" in output
    assert "reproduce with: softmax(seed=4)" in output
    assert "python -m numpy_transformer.gradcheck softmax --seed 4" in output


def test_the_picture_is_a_picture(tmp_path):
    path = tmp_path / "new" / "steps.png"
    assert main(["softmax", "--plot", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sofmax"], "unknown layer 'sofmax'"),
        (["--seed", "-1"], "it must be 0 or more"),
        (["--plot", "steps.txt"], "ends with one of .png"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(InputError, match=message):
        main(arguments)


def test_run_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "numpy_transformer.gradcheck", "nonsense"],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert "choose from linear, embedding" in done.stderr
    assert len(done.stderr.strip().split("\n")) == 1


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is installed")
def test_gpu_without_cupy_says_what_to_install():
    with pytest.raises(InputError, match=r"needs CuPy.*pip install"):
        main(["--device", "gpu"])


@pytest.mark.gpu
def test_every_gradient_on_the_gpu(capsys):
    try:
        device_module("gpu")
    except InputError as error:
        pytest.skip(str(error))
    assert main(["--device", "gpu"]) == 0
    assert "0 disagreements" in capsys.readouterr().out
