"""Does the GPU path work at all? Kernels compile, gradients are NumPy's, steps repeat bit for bit and never wait.

    python benchmarks/lease/smoke.py --json smoke.json

The first stage of a lease: it takes seconds, and every other figure is worthless if it fails.
"""

import argparse
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from recorder import Recorder
from training.work import LABEL_SMOOTHING, RATE, random_batch

from numpy_transformer.backend.arrays import device_module, to_host
from numpy_transformer.backend.kernels import launcher
from numpy_transformer.backend.precision import PRECISIONS
from numpy_transformer.data.batching import Batch
from numpy_transformer.errors import InputError
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.gpu_step import GpuStep
from numpy_transformer.training.optimizer import Adam

# Relative to the norm of the float32 gradient on the CPU: what rounding the products' operands may cost.
MOST_ERROR = {"float32": 1e-4, "tf32": 5e-2, "bfloat16": 2e-1}


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--preset", default="base", help="size of the model")
    parser.add_argument("--vocabulary", type=int, default=37000, help="vocabulary of the large step")
    parser.add_argument("--tokens", type=int, default=25000, help="target tokens of the large step")
    parser.add_argument("--length", type=int, default=25, help="tokens of a sentence")
    parser.add_argument("--sentences", type=int, default=64, help="sentences whose gradient is compared with NumPy's")
    parser.add_argument("--json", type=Path, help="write the facts to this file")
    return parser.parse_args()


def main() -> None:
    options = parse_options()
    record = Recorder(options.json)
    try:
        xp = device_module("gpu")
    except InputError as error:
        sys.exit(str(error))
    for file in sorted(path.stem for path in launcher.FOLDER.glob("*.cu")):
        record(f"seconds to compile {file}.cu", lambda file=file: compile_seconds(xp, file))
    config = TransformerConfig.preset(options.preset, vocabulary_size=min(1000, options.vocabulary))
    batch = random_batch(config, options.sentences, options.length)
    reference = gradient(config, batch, device="cpu", precision="float32")
    for precision in PRECISIONS:
        record(f"gradient error in {precision}", lambda p=precision: gradient_error(config, batch, p, reference))
    record("two equal steps are equal bit for bit", lambda: repeated(config, batch))
    record("large step", lambda: large_step(xp, options))
    record.exit()


def compile_seconds(xp: Any, file: str) -> float:
    """Of one kernel file in float32."""
    name = re.search(r'extern "C" __global__ void (\w+)', launcher.source(file))[1]
    start = time.perf_counter()
    launcher.module_of(xp, file, "f").get_function(name)
    return round(time.perf_counter() - start, 2)


def gradient(config: TransformerConfig, batch: Any, *, device: str, precision: str) -> np.ndarray:
    """Flat, on the host; with the dropout of one seed, which both devices draw alike or not at all."""
    model = Transformer(config.replace(dropout=0.0), seed=0, device=device, precision=precision)
    _, gradients = model.loss_and_gradients(*batch, label_smoothing=LABEL_SMOOTHING)
    return to_host(gradients.flat).astype("float64")


def gradient_error(config: TransformerConfig, batch: Any, precision: str, reference: np.ndarray) -> float:
    """Relative to the norm of the reference. Raises AssertionError if it is more than rounding explains."""
    found = gradient(config, batch, device="gpu", precision=precision)
    error = float(np.linalg.norm(found - reference) / np.linalg.norm(reference))
    assert error < MOST_ERROR[precision], f"{error:.2e}, which rounding to {precision} does not explain"
    return error


class Steps:
    """Training steps of a new model on the card."""

    def __init__(self, config: TransformerConfig, batch: Any) -> None:
        source, target = batch
        self.model = Transformer(config, seed=0, device="gpu", precision="bfloat16")
        self._batch = Batch(source, target, target[:, 1:].size)
        self._adam, self._step = Adam.for_parameters(self.model.parameters.flat), GpuStep(self.model)

    def take(self, count: int) -> list[float]:
        """The losses of so many steps."""
        for number in range(count):
            self.launch(number)
        return [result.loss for result in self._step.collect()]

    def launch(self, number: int) -> None:
        self._step.step(self._adam, [self._batch], rate=RATE, seed=(0, number), label_smoothing=LABEL_SMOOTHING)


def repeated(config: TransformerConfig, batch: Any) -> bool:
    """Three steps, twice: the same losses and parameters. Raises AssertionError if not."""
    runs = [Steps(config, batch) for _ in range(2)]
    losses = [run.take(3) for run in runs]
    parameters = [to_host(run.model.parameters.flat) for run in runs]
    assert losses[0] == losses[1], losses
    assert np.array_equal(*parameters), "the parameters differ"
    return True


def large_step(xp: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Loss, memory and host time of steps of the size that is benchmarked. Raises AssertionError if the host waits."""
    config = TransformerConfig.preset(options.preset, vocabulary_size=options.vocabulary)
    steps = Steps(config, random_batch(config, options.tokens // options.length, options.length))
    [first, *_] = steps.take(2)
    stream, start = xp.cuda.get_current_stream(), time.perf_counter()
    steps.launch(2)
    launched, returned_early = time.perf_counter() - start, not stream.done
    [third] = steps.take(0)
    total = time.perf_counter() - start
    assert np.isfinite([first, third]).all(), (first, third)
    assert returned_early, "the step returned after the card was done: something made the host wait"
    pool = xp.get_default_memory_pool().total_bytes()
    return {
        "loss": first,
        "host_milliseconds": round(1000 * launched, 2),
        "milliseconds": round(1000 * total, 2),
        "pool_gib": round(pool / 2**30, 2),
    }


if __name__ == "__main__":
    main()
