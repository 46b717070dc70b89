"""The public model: configuration, flat parameters, loss, logits, saving, and what it rejects."""

import copy
import json
import pickle
import sys

import numpy as np
import pytest

import numpy_transformer as nt
from numpy_transformer.backend.arrays import array_module, device_module
from numpy_transformer.layers.parameters import Parameters

CONFIG = nt.TransformerConfig(
    vocabulary_size=50, encoder_layers=2, decoder_layers=1, d_model=16, d_ff=24, heads=4, dropout=0.2
)
SOURCE = np.array([[5, 6, 7, 2], [8, 2, 0, 0]])
TARGET = np.array([[1, 9, 10, 2], [1, 11, 2, 0]])


@pytest.fixture
def model() -> nt.Transformer:
    return nt.Transformer(CONFIG, seed=0)


def test_every_parameter_is_a_view_into_the_flat_buffer(model: nt.Transformer):
    named = dict(model.parameters.named())
    assert named["encoder.0.self_attention.query_key_value.weight"].shape == (16, 48)
    assert named["decoder.0.cross_attention.key_value.bias"].shape == (32,)
    assert sum(view.size for view in named.values()) == model.parameters.flat.size
    model.parameters.flat[...] = np.arange(model.parameters.flat.size)
    np.testing.assert_array_equal(np.concatenate([v.reshape(-1) for v in named.values()]), model.parameters.flat)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_is_whole_and_its_own(copied, model: nt.Transformer):
    """Its views look into its flat buffer, so that a step on the buffer is a step of the model."""
    twin = copied(model)
    np.testing.assert_array_equal(twin.logits(SOURCE, TARGET), model.logits(SOURCE, TARGET))
    before = model.logits(SOURCE, TARGET)
    twin.parameters.flat[...] = 0
    assert not twin.logits(SOURCE, TARGET).any()
    np.testing.assert_array_equal(model.logits(SOURCE, TARGET), before)


def test_gradients_have_the_same_tree_and_can_be_reused(model: nt.Transformer):
    loss, gradients = model.loss_and_gradients(SOURCE, TARGET)
    assert [name for name, _ in gradients.named()] == [name for name, _ in model.parameters.named()]
    first = gradients.flat.copy()
    gradients.flat[...] = np.nan  # every entry must be assigned anew
    again, same = model.loss_and_gradients(SOURCE, TARGET, gradients=gradients)
    assert same is gradients
    assert again == loss
    np.testing.assert_array_equal(first, gradients.flat)


def test_a_small_step_against_the_gradient_lowers_the_loss(model: nt.Transformer):
    loss, gradients = model.loss_and_gradients(SOURCE, TARGET)
    model.parameters.flat[...] -= 1e-3 * gradients.flat
    assert model.loss(SOURCE, TARGET) < loss


def test_dropout_follows_its_seed(model: nt.Transformer):
    plain, _ = model.loss_and_gradients(SOURCE, TARGET)
    one, _ = model.loss_and_gradients(SOURCE, TARGET, seed=1)
    assert one == model.loss_and_gradients(SOURCE, TARGET, seed=1)[0]
    assert len({float(plain), float(one), float(model.loss_and_gradients(SOURCE, TARGET, seed=(1, 2))[0])}) == 3
    assert plain == model.loss(SOURCE, TARGET)


def test_the_loss_is_that_of_the_logits():
    model = nt.Transformer(CONFIG, seed=0, dtype="float64")
    logits = model.logits(SOURCE, TARGET[:, :-1])
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    labels = TARGET[:, 1:]
    real = labels != CONFIG.pad_id
    gold = np.take_along_axis(log_probabilities, labels[..., None], axis=-1)[..., 0]
    smoothed = 0.9 * gold + 0.1 * log_probabilities.mean(axis=-1)
    assert model.loss(SOURCE, TARGET) == pytest.approx(-smoothed[real].mean(), rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("norm", ["post", "pre"])
def test_saved_and_loaded_is_the_same_model(dtype: str, norm: str, tmp_path):
    model = nt.Transformer(CONFIG.replace(norm=norm), seed=3, dtype=dtype)
    model.save(tmp_path / "model.safetensors")
    loaded = nt.Transformer.load(tmp_path / "model.safetensors")
    assert loaded.config == model.config
    assert loaded.parameters.flat.dtype == dtype
    np.testing.assert_array_equal(loaded.logits(SOURCE, TARGET), model.logits(SOURCE, TARGET))


def test_the_same_seed_gives_the_same_model_in_every_precision():
    single = nt.Transformer(CONFIG, seed=5)
    double = nt.Transformer(CONFIG, seed=5, dtype="float64")
    np.testing.assert_array_equal(single.parameters.flat, double.parameters.flat.astype("float32"))
    assert (nt.Transformer(CONFIG, seed=6).parameters.flat != single.parameters.flat).any()


def test_first_values():
    """Embeddings N(0, 1/D); projections Xavier-uniform; query, key and value as one matrix in both attentions."""
    config = nt.TransformerConfig.preset("tiny", vocabulary_size=4000)
    named = dict(nt.Transformer(config).parameters.named())
    assert named["embedding.weight"].std() == pytest.approx(128**-0.5, rel=0.01)
    for name in ("self_attention.query_key_value", "cross_attention.query", "cross_attention.key_value"):
        weight = named[f"decoder.0.{name}.weight"]
        assert abs(weight).max() == pytest.approx(np.sqrt(6 / (4 * 128)), rel=0.01)
        assert weight.std() == pytest.approx(np.sqrt(2 / (4 * 128)), rel=0.02)
    hidden = named["encoder.0.feed_forward.hidden.weight"]
    assert abs(hidden).max() == pytest.approx(np.sqrt(6 / (128 + 256)), rel=0.01)
    assert (named["encoder.0.self_attention_norm.gain"] == 1).all()
    assert (named["decoder.0.feed_forward.output.bias"] == 0).all()


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ([[5, 50]], [[1, 2]], "source holds ids from 5 to 50; the vocabulary has 0 to 49"),
        ([[5, 6]], [[1, -1]], "target holds ids from -1"),
        ([[5, 6]], [[1, 2], [1, 2]], "source has 1 sentences, target 2"),
        ([5, 6], [[1, 2]], "source must be a 2-D array"),
        ([[5.0, 6.0]], [[1, 2]], "source must be a 2-D array of integer ids"),
        ([[5, 2]], [[1]], r"target is \(1, 1\); it must hold at least one sentence of bos_id and one more token"),
        (np.zeros((0, 2), int), np.zeros((0, 2), int), r"target is \(0, 2\); it must hold at least one sentence"),
    ],
)
def test_impossible_ids_are_refused(source, target, message, model: nt.Transformer):
    with pytest.raises(nt.InputError, match=message):
        model.loss_and_gradients(np.array(source), np.array(target))
    with pytest.raises(nt.InputError, match=message):
        model.loss(np.array(source), np.array(target))


@pytest.mark.parametrize("smoothing", [-0.1, 1.1, float("nan")])
def test_label_smoothing_is_a_probability(smoothing, model: nt.Transformer):
    with pytest.raises(nt.InputError, match="it must be between 0 and 1"):
        model.loss_and_gradients(SOURCE, TARGET, label_smoothing=smoothing)


def test_a_dtype_too_narrow_for_masked_scores_is_refused():
    with pytest.raises(nt.InputError, match="unknown dtype 'float16'; it must be one of float32, float64, complex128"):
        nt.Transformer(CONFIG, dtype="float16")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 3}, r"heads \(3\) must divide d_model \(16\)"),
        ({"d_model": 0}, "d_model is 0"),
        ({"d_model": 15, "heads": 5}, "must be even"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"norm": "middle"}, "norm is 'middle'; it must be \"post\""),
        ({"pad_id": 2}, "eos_id must differ from the others"),
        ({"eos_id": 50}, "below vocabulary_size"),
        ({"encoder_layers": 1.5}, "encoder_layers is 1.5"),
        ({"layers": 3}, "no field 'layers'"),
    ],
)
def test_impossible_configurations_are_refused(changes, message):
    with pytest.raises(nt.InputError, match=message):
        CONFIG.replace(**changes)


def test_configurations_survive_json():
    assert nt.TransformerConfig.from_json(CONFIG.to_json()) == CONFIG
    for text in ("{", "[]", "{}", json.dumps({"vocabulary_size": 300, "unknown": 1})):
        with pytest.raises(nt.InputError):
            nt.TransformerConfig.from_json(text)


def test_unknown_presets_name_the_known():
    with pytest.raises(nt.InputError, match="tiny, small, base, big"):
        nt.TransformerConfig.preset("huge", vocabulary_size=300)


def test_a_file_of_another_model_is_refused(model: nt.Transformer, tmp_path):
    path = tmp_path / "model.safetensors"
    model.save(path)
    from numpy_transformer.storage.tensors import load_tensors, save_tensors

    tensors, metadata = load_tensors(path)
    del tensors["encoder.1.feed_forward.hidden.bias"]
    save_tensors(path, tensors, metadata)
    with pytest.raises(nt.InputError, match=r"encoder\.1\.feed_forward\.hidden\.bias should be \(24,\), found nothing"):
        nt.Transformer.load(path)
    save_tensors(path, tensors, {})
    with pytest.raises(nt.InputError, match="no model configuration"):
        nt.Transformer.load(path)


def test_the_array_module_is_that_of_the_array():
    assert array_module(np.zeros(1)) is np
    assert array_module(Parameters(np.zeros(1), ()).flat) is np


def test_gpu_without_cupy_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "cupy", None)  # what an import of a missing module looks like
    with pytest.raises(nt.InputError, match=r"needs CuPy.*pip install -r requirements-gpu\.txt"):
        nt.Transformer(CONFIG, device="gpu")
    with pytest.raises(nt.InputError, match='must be "cpu" or "gpu"'):
        device_module("tpu")


class FakeRuntime:
    """CuPy on a machine that lacks a piece: importable, but its first call fails."""

    class CUDARuntimeError(RuntimeError):
        pass

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def getDeviceCount(self) -> int:  # noqa: N802 (CuPy's name)
        raise self.CUDARuntimeError(self.reason)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("cudaErrorNoDevice: no CUDA-capable device is detected", "no CUDA device is visible"),
        ("cudaErrorInsufficientDriver: CUDA driver version is insufficient", "driver is missing or too old"),
        ("cudaErrorUnknown: unknown error", "nvidia-smi"),
    ],
)
def test_gpu_without_a_driver_or_a_card_says_so(reason: str, advice: str, monkeypatch: pytest.MonkeyPatch):
    from types import SimpleNamespace

    fake = SimpleNamespace(cuda=SimpleNamespace(runtime=FakeRuntime(reason)))
    monkeypatch.setitem(sys.modules, "cupy", fake)
    with pytest.raises(nt.InputError, match=advice) as caught:
        device_module("gpu")
    assert "\n" not in str(caught.value)
