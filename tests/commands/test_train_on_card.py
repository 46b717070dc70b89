"""train.py and translate.py --device gpu as a whole, compared with the same run on the CPU."""

import json
from pathlib import Path

import numpy as np
import pytest
from child_run import quick_curves
from test_train_cli import SMALL, corpus, final_weights

from numpy_transformer.commands import train, translate
from numpy_transformer.training import reporting

__all__ = ["corpus"]  # a fixture

pytestmark = pytest.mark.usefixtures("cupy")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(reporting, "draw_curves", quick_curves)  # the same on both devices


def run(corpus: Path, folder: str, *options: object) -> Path:
    arguments = ["--data", str(corpus), *SMALL, "--run", folder, *map(str, options)]
    assert not train.train(train.parse_arguments([*arguments, "--workers", "1"]))
    return Path(folder)


def losses(folder: Path) -> list[float]:
    records = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [record["loss"] for record in records if "loss" in record]


def test_a_run_on_the_card_is_the_cpus(corpus: Path, capsys: pytest.CaptureFixture[str]):
    options = "--steps", 12, "--philox", "--rate-scale", 0.1
    on_cpu, on_gpu = (run(corpus, device, *options, "--device", device) for device in ("cpu", "gpu"))
    assert len(losses(on_gpu)) == len(losses(on_cpu)) > 3
    # Either float32 run is this far from the same run in float64, in which card and CPU agree (test_gpu_path.py).
    np.testing.assert_allclose(losses(on_gpu), losses(on_cpu), rtol=1e-3)
    capsys.readouterr()
    outputs = []
    for folder, device in ((on_cpu, "cpu"), (on_cpu, "gpu")):
        arguments = ["one two three", "four", "--model", str(folder), "--device", device]
        assert not translate.translate(translate.parse_arguments(arguments))
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]


def test_a_run_that_goes_on_gives_the_same_weights(corpus: Path):
    whole = run(corpus, "whole", "--steps", 11, "--device", "gpu", "--precision", "bfloat16")
    parts = run(corpus, "parts", "--steps", 5, "--device", "gpu", "--precision", "bfloat16")
    assert not train.train(train.parse_arguments(["--run", "parts", "--resume", "--steps", "11"]))
    np.testing.assert_array_equal(final_weights(parts), final_weights(whole))
