"""The same model on a card, compared with NumPy in float64: python -m pytest -m gpu.

Without a card these tests run on the stand-in, so that they are known to work before they meet one (conftest.py).
"""

import numpy as np
import pytest
import strict_gpu
from test_gpu_path import CONFIG, in_dtype, make_batches

from numpy_transformer.backend import gpu_twins
from numpy_transformer.backend.arrays import Array, to_host
from numpy_transformer.backend.precision import TENSOR_CORES_FROM
from numpy_transformer.backend.precision import precision as matmul_precision
from numpy_transformer.data.batching import EncodedText
from numpy_transformer.decoding import beam_search
from numpy_transformer.gradcheck.__main__ import main as gradcheck
from numpy_transformer.gradcheck.case import Case
from numpy_transformer.gradcheck.suite import SUITE
from numpy_transformer.models.config import TransformerConfig
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.training.gpu_step import GpuStep
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import Workers

# Largest errors of a layer, its derivatives included, relative to the largest entry; and of a whole gradient's norm.
# An operand of a product in tf32 is off by up to 2^-11, in bfloat16 by up to 2^-8; blocks have many in a row.
LAYER_BOUNDS = {"float64": 1e-10, "float32": 1e-5, "tf32": 5e-3, "bfloat16": 4e-2}
MODEL_BOUNDS = {"float64": 1e-10, "float32": 1e-5, "tf32": 1e-2, "bfloat16": 8e-2}


def needs(cupy, precision: str) -> None:
    if precision in ("tf32", "bfloat16") and int(cupy.cuda.Device().compute_capability) < TENSOR_CORES_FROM:
        pytest.skip("the card has no tensor cores for this precision")


def dtype_of(precision: str) -> str:
    return "float64" if precision == "float64" else "float32"


def results(case: Case) -> dict[str, Array]:
    """The output and every gradient."""
    return {"y": case.forward(case.inputs), **case.gradients(case.inputs)}


@pytest.mark.parametrize("precision", LAYER_BOUNDS)
@pytest.mark.parametrize("layer", SUITE)
def test_every_layer(cupy, layer, precision):
    needs(cupy, precision)
    for on_cpu, on_gpu in zip(SUITE[layer](3, np), SUITE[layer](3, cupy), strict=True):
        on_gpu, expected = in_dtype(on_gpu, dtype_of(precision)), results(on_cpu)
        with matmul_precision("float32" if precision == "float64" else precision):
            found = results(on_gpu)
        for name, reference in expected.items():
            assert isinstance(found[name], cupy.ndarray)
            assert found[name].dtype == dtype_of(precision)
            bound = LAYER_BOUNDS[precision] * max(1.0, abs(reference).max(initial=0))
            np.testing.assert_allclose(to_host(found[name]), reference, rtol=0, atol=bound, err_msg=name)


@pytest.mark.parametrize("layer", SUITE)
def test_fused_layers_are_their_references(cupy, layer, monkeypatch):
    """The same arrays of the card through the kernels, and through the layers' own functions."""
    fused = [results(case) for case in SUITE[layer](3, cupy)]
    switched = gpu_twins.Twinned.__call__

    def reference(self, *args, **kwargs):
        if self.__name__ == "embedding_backward":  # its reference sorts on the host
            return switched(self, *args, **kwargs)
        return self.reference(*args, **kwargs)

    monkeypatch.setattr(gpu_twins.Twinned, "__call__", reference)
    for case, found in zip(SUITE[layer](3, cupy), fused, strict=True):
        for name, expected in results(case).items():
            host = to_host(expected)
            bound = 1e-10 * max(1.0, abs(host).max(initial=0))
            np.testing.assert_allclose(to_host(found[name]), host, rtol=0, atol=bound, err_msg=name)


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
@pytest.mark.parametrize("precision", MODEL_BOUNDS)
def test_the_gradient_of_unusual_sizes(cupy, size, precision):
    needs(cupy, precision)
    config, sentences, length = SIZES[size]
    source, target = draw_text(sentences, length, config.vocabulary_size)
    _, exact = Transformer(config, seed=1, dtype="float64", philox=True).loss_and_gradients(source, target, seed=5)
    model = Transformer(
        config,
        seed=1,
        device="gpu",
        dtype=dtype_of(precision),
        precision="float32" if precision == "float64" else precision,
    )
    _, gradients = model.loss_and_gradients(source, target, seed=5)
    error = np.linalg.norm(to_host(gradients.flat) - exact.flat) / np.linalg.norm(exact.flat)
    assert error < MODEL_BOUNDS[precision]


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


@pytest.mark.usefixtures("cupy")
def test_a_hundred_steps_follow_the_cpu():
    """Same seed, dropout on."""
    on_cpu, on_gpu = train("cpu", 100)[0], train("gpu", 100)[0]
    assert on_cpu[-1] < on_cpu[0]
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=0.01)


@pytest.mark.usefixtures("cupy")
def test_two_runs_give_the_same_bits():
    once, again = (train("gpu", 12) for _ in range(2))
    assert once[0] == again[0]
    assert once[1].tobytes() == again[1].tobytes()


def test_a_step_does_not_wait_for_the_card(cupy):
    """The card first gets a second of other work; the step must return long before that is done."""
    model = Transformer(CONFIG, seed=1, device="gpu")
    adam, runner = Adam.for_parameters(model.parameters.flat), GpuStep(model)
    size = 8 if cupy is strict_gpu else 8192
    a = cupy.ones((size, size), dtype="float32")

    def step(number):
        return runner.step(adam, make_batches(1), rate=1e-3, seed=(3, number), label_smoothing=0.1)

    for number in range(3):  # the first ones compile and allocate
        step(number)
        product = a @ a
    runner.collect()
    stream = cupy.cuda.get_current_stream()
    for _ in range(50):
        cupy.matmul(a, a, out=product)
    for number in range(2):
        assert step(number) == []
    assert not stream.done
    assert all(result.updated for result in runner.collect())
    assert stream.done


@pytest.mark.usefixtures("cupy")
def test_a_translation_is_the_cpus():
    config = TransformerConfig.preset("tiny", vocabulary_size=500)
    source = draw_text(7, 11, 500)[0]
    options = {"limits": np.full(7, 30), "beam": 4, "alpha": 0.6}
    on_cpu, on_gpu = (
        beam_search(Transformer(config, seed=1, dtype="float64", device=device), source, **options)
        for device in ("cpu", "gpu")
    )
    assert [[one.ids for one in found] for found in on_gpu] == [[one.ids for one in found] for found in on_cpu]


@pytest.mark.usefixtures("cupy")
def test_the_gradcheck_command_runs_on_the_card():
    """Only some layers: a card would be slow on all of them, because the oracles request one number at a time."""
    assert gradcheck(["--device", "gpu", "embedding", "layer_norm", "feed_forward", "residual", "output_loss"]) == 0
