"""Rehearse the benchmarks that need a card: on the stand-in, with PyTorch's side on the CPU.

Their figures mean nothing here. The tests check that they run, and what they would print and save.
"""

import json
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
import strict_gpu

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--preset", "tiny", "--tokens", "16", "--length", "4", "--vocabulary", "50"]


@pytest.fixture
def script_named(monkeypatch):
    """Imports a script of benchmarks/."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setitem(sys.modules, "cupy", strict_gpu)
    yield import_module
    names = "gpu_clock", "gpu_training", "gpu_roofline", "gpu_decoding", "decoding", "machine", "training_step"
    for name in (*names, "training", "training.work", "training.torch_side"):
        sys.modules.pop(name, None)  # tests are not to find them later


def side(script_named, name):
    training = script_named("gpu_training")
    training.WARM_UP = training.PROFILED = 1
    options = training.parse_options([*SMALL, "--steps", "2", "--product", "8", "--side", name])
    first, result = training.run_side(options)
    assert first | {"launches": result["launches"]} == result
    return result


def check(result, card):
    assert result["card"] == card
    assert len(result["times"]) == 2
    assert all(milliseconds > 0 for milliseconds in result["times"])
    assert result["tokens_per_second"] == pytest.approx(16_000 / result["milliseconds"])
    assert json.loads(json.dumps(result)) == result


def test_our_training_step(script_named):
    result = side(script_named, "ours bfloat16")
    check(result, "a stand-in for a card")
    assert result["libraries"].keys() == {"cupy", "numpy"}


def test_what_a_side_told_before_it_ended_counts(script_named, monkeypatch, tmp_path, capfd):
    training = script_named("gpu_training")
    program = tmp_path / "side.py"
    monkeypatch.setattr(training, "__file__", str(program))
    monkeypatch.setattr(sys, "argv", ["side.py"])
    for end, word in (("", ""), ("raise SystemExit('out of memory')", "out of memory\na side: failed, see above\n")):
        program.write_text(f'import json, sys\nprint(json.dumps({{"side": sys.argv[-1]}}))\n{end}')
        assert training.spawn("a side", 600) == {"side": "a side"}
        assert capfd.readouterr().err == word
    program.write_text("raise SystemExit('no card')")
    assert training.spawn("a side", 600) is None


def test_a_side_that_takes_too_long_is_stopped(script_named, monkeypatch, capsys):
    class Endless:
        """A process that reports two results and never ends."""

        def __init__(self, *_, **__):
            self.killed = False

        def __enter__(self):
            return self

        def __exit__(self, *_):
            assert self.killed

        def communicate(self, timeout=None):
            if not self.killed:
                raise subprocess.TimeoutExpired("a side", timeout)
            return '{"launches": null}\n{"launches": 7}\n', None

        def kill(self):
            self.killed = True

    training = script_named("gpu_training")
    monkeypatch.setattr(training.subprocess, "Popen", Endless)
    assert training.spawn("a side", 5) == {"launches": 7}
    assert capsys.readouterr().err == "a side: stopped after 5 s\n"


class Event:
    """torch.cuda.Event on the host's clock."""

    def __init__(self, enable_timing):
        assert enable_timing

    def record(self):
        self.seconds = time.perf_counter()

    def synchronize(self):
        pass

    def elapsed_time(self, end):
        return 1000 * (end.seconds - self.seconds)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_training_step_of_pytorch(script_named, precision, monkeypatch):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for kind in (torch.nn.Module, torch.Tensor):
        monkeypatch.setattr(kind, "cuda", lambda self: self)
    original = torch.autocast
    monkeypatch.setattr(torch, "autocast", lambda device, **options: original("cpu", **options))
    card = {
        "Event": Event,
        "synchronize": lambda: None,
        "max_memory_reserved": lambda: 2**20,
        "get_device_name": lambda: "a card",
        "is_available": lambda: True,
    }
    for name, value in card.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(script_named("gpu_training"), "launches", lambda work, steps: work())
    try:
        check(side(script_named, f"PyTorch {precision}"), "a card")
    finally:
        torch.set_num_threads(threads)


def test_what_the_profiler_saw_is_summed_up(script_named):
    def entry(key, count, microseconds, device="CUDA"):
        kind = SimpleNamespace(name=device)
        return SimpleNamespace(key=key, count=count, self_device_time_total=microseconds, device_type=kind)

    seen = [entry("gemm", 6, 4000), entry("layer_norm", 2, 1000), entry("Memcpy HtoD", 2, 9), entry("x", 1, 1, "CPU")]
    found = script_named("gpu_clock").summary(seen, steps=2)
    assert found["kernels"] == 4
    assert found["busy_milliseconds"] == 2.5
    assert [kernel["name"] for kernel in found["longest"]] == ["gemm", "layer_norm"]
    assert script_named("gpu_clock").summary([], steps=2) is None


def test_the_profiler_tells_what_is_summed_up():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        torch.ones(3).sum()
    for entry in profiler.key_averages():
        assert entry.device_type.name == "CPU"
        assert entry.self_device_time_total == 0
        assert entry.count >= 1
        assert isinstance(entry.key, str)


def test_the_report_sets_ours_beside_each_peer_of_the_precision(script_named):
    def result(milliseconds, memory, seen=None):
        return {
            "card": "a card",
            "libraries": {},
            "milliseconds": milliseconds,
            "tokens_per_second": 1e6 / milliseconds,
            "flops": 1e12,
            "product_flops": milliseconds * 1e12,
            "memory": memory,
            "launches": seen,
        }

    text = script_named("gpu_training").report(
        {
            "ours tf32": result(36.0, 2**30, {"kernels": 500, "busy_milliseconds": 18.0}),
            "PyTorch tf32 compiled": result(54.0, 2**31),
            "PyTorch float32": result(100.0, 2**31),
        }
    )
    assert "ours tf32 / PyTorch tf32 compiled: 1.50x the speed, 0.50x the memory" in text
    assert "ours tf32: 100,000 such steps take 1.00 hours" in text
    assert "PyTorch float32:" not in text
    [row] = [line for line in text.split("\n") if line.startswith("ours tf32  ")]
    assert row.split() == ["ours", "tf32", "27,778", "36.00", "1.0", "2%", "1.00", "GiB", "500", "50%"]


def test_the_roofline(script_named, monkeypatch, tmp_path, capsys):
    roofline = script_named("gpu_roofline")
    options = [*SMALL, "--measure", "--product", "8", "--copied", "64", "--json", str(tmp_path / "roofline.json")]
    monkeypatch.setattr(sys, "argv", ["gpu_roofline.py", *options])
    roofline.main()
    found = json.loads((tmp_path / "roofline.json").read_text())
    sizes = roofline.Sizes(N=16, T=4, D=128, F=256, H=4, V=50, R=16, P=1000)
    own, products = roofline.kernel_rows(sizes), roofline.product_rows(sizes)
    assert len(found["kernels"]) == len(own) + 3 * len(products)
    assert "Error" not in capsys.readouterr().out


def test_every_kernel_file_is_in_the_roofline(script_named):
    roofline = script_named("gpu_roofline")
    sizes = roofline.Sizes(N=16, T=4, D=128, F=256, H=4, V=50, R=16, P=1000)
    kernels = {path.name for path in (ROOT / "numpy_transformer/backend/kernels").glob("*.cu")}
    assert {row.file for row in roofline.kernel_rows(sizes)} == kernels


def test_the_roofline_counts_the_parameters(script_named):
    from numpy_transformer.models.config import TransformerConfig
    from numpy_transformer.models.transformer import Transformer

    config = TransformerConfig.preset("tiny", vocabulary_size=50)
    counted = script_named("gpu_roofline").sizes_of(config, tokens=16, length=4).P
    assert counted == Transformer(config, initialise=False).parameters.flat.size


def test_decoding(script_named, monkeypatch, tmp_path, capsys):
    decoding = script_named("gpu_decoding")
    sides = ["ours tf32", "ours on the CPU", "Hugging Face float32"]
    options = ["--preset", "tiny", "--batch", "2", "--length", "3", "--runs", "1", "--sides", *sides]
    monkeypatch.setattr(sys, "argv", ["gpu_decoding.py", *options, "--json", str(tmp_path / "decoding.json")])
    decoding.main()
    assert [result["side"] for result in json.loads((tmp_path / "decoding.json").read_text())["results"]] == sides[:2]
    assert "Hugging Face float32: left out (" in capsys.readouterr().out


def rehearse(results, *stages):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment |= {"REHEARSE": "1", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = ["bash", str(ROOT / "benchmarks" / "gpu_lease.sh"), str(results), *stages]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def rehearsed(tmp_path_factory):
    """The results of all stages."""
    folder = tmp_path_factory.mktemp("rehearsed")
    done = rehearse(folder)
    assert (folder / "log.txt").read_text() == done.stdout
    return folder


def test_the_script_that_runs_everything(rehearsed):
    log = (rehearsed / "log.txt").read_text()
    files = {path.name for path in rehearsed.iterdir()} - {"training-pytorch.json"}
    json_files = {f"{name}.json" for name in ("smoke", "cublas", "training-ours", "roofline", "decoding")}
    assert files == json_files | {"log.txt", "tests.xml"}
    stages = "facts", "smoke", "cublas", "ours", "pytorch", "tests", "roofline", "decoding", "run", "memory"
    assert [log.find(f"== {name}, at ") for name in stages] == sorted(log.index(f"== {name}, at ") for name in stages)
    failures = log.rpartition("skipped\n")[2].strip().split("\n")
    assert failures in (["nothing failed"], ["pytorch: status 1"]), log  # PyTorch may not be installed
    smoke = json.loads((rehearsed / "smoke.json").read_text())
    assert smoke["two equal steps are equal bit for bit"] is True
    assert smoke["gradient error in float32"] < 1e-5
    facts = json.loads((rehearsed / "cublas.json").read_text())
    assert facts["logits, 64 x 128 x 100, bfloat16"]["milliseconds"] > 0
    assert "left out" in facts["logits, 64 x 128 x 100, bfloat16 to float32"]  # the stand-in stores no bfloat16


def test_a_stage_that_fails_does_not_stop_the_next(tmp_path):
    (tmp_path / "smoke.json").mkdir()  # cannot be written
    done = rehearse(tmp_path, "smoke", "facts")
    assert done.returncode == 1
    assert "IsADirectoryError" in done.stdout
    assert "smoke: status 1" in done.stdout
    assert "== ours" not in done.stdout


def test_the_memory_check_runs_every_kernel_of_a_training_step(rehearsed):
    told = "kernels ran; not run: softmax_backward\n"
    assert told in (rehearsed / "log.txt").read_text()
