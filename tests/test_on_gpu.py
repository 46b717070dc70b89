"""The same model on a real card: python -m pytest -m gpu. Skipped, with the reason, where there is none."""

import subprocess
import sys

import numpy as np
import pytest
from test_gpu_path import CONFIG, in_dtype, make_batches

from numpy_transformer.backend import device_module, to_host
from numpy_transformer.config import TransformerConfig
from numpy_transformer.data.batching import EncodedText
from numpy_transformer.decoding import beam_search
from numpy_transformer.errors import InputError
from numpy_transformer.gpu_step import GpuStep
from numpy_transformer.gradcheck.suite import SUITE
from numpy_transformer.model import Transformer
from numpy_transformer.optimizer import Adam
from numpy_transformer.parallel import Workers

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def cupy():
    try:
        return device_module("gpu")
    except InputError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-5)])
@pytest.mark.parametrize("layer", SUITE)
def test_every_layer(cupy, layer, dtype, tolerance):
    """NumPy in float64 against CuPy, forward and backward; errors relative to the largest entry."""
    for on_cpu, on_gpu in zip(SUITE[layer](3, np), SUITE[layer](3, cupy), strict=True):
        on_gpu = in_dtype(on_gpu, dtype)
        pairs = {"y": (on_cpu.forward(on_cpu.inputs), on_gpu.forward(on_gpu.inputs))}
        expected, found = on_cpu.gradients(on_cpu.inputs), on_gpu.gradients(on_gpu.inputs)
        pairs |= {name: (expected[name], found[name]) for name in expected}
        for name, (reference, value) in pairs.items():
            assert isinstance(value, cupy.ndarray)
            assert value.dtype == dtype
            scale = max(1.0, abs(reference).max(initial=0))
            np.testing.assert_allclose(to_host(value), reference, rtol=0, atol=tolerance * scale, err_msg=name)


def draw_text(sentences: int, length: int, vocabulary: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    sides = [[rng.integers(3, vocabulary, length).tolist() for _ in range(sentences)] for _ in range(2)]
    config = CONFIG.replace(vocabulary_size=vocabulary)
    batch = EncodedText.from_ids(sides[0], sides[1], config).batch(np.arange(sentences), config.pad_id)
    return batch.source, batch.target


SIZES = {
    "d_model no multiple of 8": (CONFIG.replace(d_model=30, d_ff=50, heads=3), 4, 9),
    "one token": (CONFIG, 1, 1),
    "a thousand tokens": (CONFIG.replace(d_model=64, heads=2), 2, 1000),
    "37,001 words": (CONFIG.replace(vocabulary_size=37_001, d_model=64), 3, 20),
}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("precision", "bound"), [("float64", 1e-10), ("float32", 1e-5), ("tf32", 1e-2), ("bfloat16", 8e-2)]
)
def test_the_gradient_of_unusual_sizes(cupy, size, precision, bound):
    config, sentences, length = SIZES[size]
    if precision in ("tf32", "bfloat16") and int(cupy.cuda.Device().compute_capability) < 80:
        pytest.skip("the card has no tensor cores for this precision")
    source, target = draw_text(sentences, length, config.vocabulary_size)
    _, exact = Transformer(config, seed=1, dtype="float64", philox=True).loss_and_gradients(source, target, seed=5)
    wide = precision == "float64"
    model = Transformer(
        config,
        seed=1,
        device="gpu",
        dtype="float64" if wide else "float32",
        precision="float32" if wide else precision,
    )
    _, gradients = model.loss_and_gradients(source, target, seed=5)
    error = np.linalg.norm(to_host(gradients.flat) - exact.flat) / np.linalg.norm(exact.flat)
    assert error < bound


def train(device: str, steps: int) -> tuple[list[float], np.ndarray]:
    model = Transformer(CONFIG.replace(d_model=32, d_ff=64), seed=1, device=device, philox=True)
    adam = Adam.for_parameters(model.parameters.flat)
    losses = []
    with GpuStep(model) if device == "gpu" else Workers(model, 1) as runner:
        for step in range(steps):
            results = runner.step(adam, make_batches(1, seed=step % 5), rate=1e-3, seed=(3, step), label_smoothing=0.1)
            losses += [result.loss for result in results]
        losses += [result.loss for result in runner.collect()]
    return losses, to_host(model.parameters.flat)


def test_a_hundred_steps_follow_the_cpu(cupy):
    """Same seed, dropout on."""
    on_cpu, on_gpu = train("cpu", 100)[0], train("gpu", 100)[0]
    assert on_cpu[-1] < on_cpu[0]
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=0.01)


def test_two_runs_give_the_same_bits(cupy):
    once, again = (train("gpu", 12) for _ in range(2))
    assert once[0] == again[0]
    assert once[1].tobytes() == again[1].tobytes()


def test_a_step_does_not_wait_for_the_card(cupy):
    """The card is given a second of other work first: the step must return long before that is done."""
    model = Transformer(CONFIG, seed=1, device="gpu")
    adam, runner = Adam.for_parameters(model.parameters.flat), GpuStep(model)
    a, stream = cupy.ones((4096, 4096), dtype="float32"), cupy.cuda.get_current_stream()
    for step in range(3):  # the first ones compile and allocate
        runner.step(adam, make_batches(1), rate=1e-3, seed=(3, step), label_smoothing=0.1)
        a @ a
    runner.collect()
    for _ in range(300):
        a @ a
    for step in range(3):
        assert runner.step(adam, make_batches(1), rate=1e-3, seed=(3, step), label_smoothing=0.1) == []
    assert not stream.done
    assert all(result.updated for result in runner.collect())
    assert stream.done


def test_a_translation_is_the_cpus(cupy):
    config = TransformerConfig.preset("tiny", vocabulary_size=500)
    source = draw_text(7, 11, 500)[0]
    options = {"limits": np.full(7, 30), "beam": 4, "alpha": 0.6}
    on_cpu, on_gpu = (
        beam_search(Transformer(config, seed=1, dtype="float64", device=device), source, **options)
        for device in ("cpu", "gpu")
    )
    assert [[one.ids for one in found] for found in on_gpu] == [[one.ids for one in found] for found in on_cpu]


def test_the_gradcheck_command_runs_on_the_card(cupy):
    command = [sys.executable, "-m", "numpy_transformer.gradcheck", "--device", "gpu", "layer_norm", "attention"]
    assert subprocess.run(command, check=False).returncode == 0
