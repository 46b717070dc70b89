"""Training with ternary weights: workers, accumulation, the GPU's path, runs, and what does not fit together."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import strict_gpu
from small_run import OPTIONS, write_corpus

import numpy_transformer as nt
from numpy_transformer.backend.arrays import to_host
from numpy_transformer.commands import train
from numpy_transformer.commands.export_model import export
from numpy_transformer.data.batching import EncodedText
from numpy_transformer.layers.parameters import Parameters
from numpy_transformer.layers.ternary import is_rounded
from numpy_transformer.models.transformer import Transformer
from numpy_transformer.storage.run_files import RunFiles
from numpy_transformer.storage.tensors import load_tensors
from numpy_transformer.training.costs import StepSize, step_bytes
from numpy_transformer.training.gpu_step import GpuStep
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import Workers
from numpy_transformer.training.plain_loop import train_plainly
from numpy_transformer.training.run_folder import RunFolder

CONFIG = nt.TransformerConfig(
    vocabulary_size=40, encoder_layers=1, decoder_layers=2, d_model=8, d_ff=12, heads=2, dropout=0.2, weights="ternary"
)
SMALL = {**OPTIONS, "layers": 1, "d_model": 8, "d_ff": 12, "heads": 2, "quiet": True, "data": "corpus"}


def batches(count):
    rng = np.random.default_rng(0)
    sides = [[rng.integers(3, 40, rng.integers(1, 9)).tolist() for _ in range(6 * count)] for _ in range(2)]
    text = EncodedText.from_ids(*sides, CONFIG)
    return [text.batch(np.arange(6 * i, 6 * i + 6), CONFIG.pad_id) for i in range(count)]


def values_of(weight):
    return set(np.unique(weight).tolist())


# --- A step ---


@pytest.mark.parametrize(("workers", "micro_batches"), [(1, 2), (2, 1), (3, 2)])
def test_workers_and_batches_add_up(workers, micro_batches):
    """The gradient of the masters is that of a float model at the rounded weights, however it is split."""
    model = Transformer(CONFIG.replace(dropout=0.0), seed=1, dtype="float64")
    parts, count = batches(micro_batches), sum(batch.token_count for batch in batches(micro_batches))
    expected = [
        model.quantised().loss_and_gradients(*batch.inputs, token_count=count, label_smoothing=0.1) for batch in parts
    ]
    with Workers(model, workers) as pool:
        loss = pool.loss_and_gradients(parts, seed=None, label_smoothing=0.1)
        assert loss == pytest.approx(sum(one for one, _ in expected), rel=1e-12)
        np.testing.assert_allclose(pool.gradients, sum(gradients.flat for _, gradients in expected), atol=1e-12)


def test_the_masters_move_by_less_than_a_value():
    """What Adam updates are the masters: small steps add up until a weight takes another of its three values."""
    model = Transformer(CONFIG, seed=1)
    adam, rounded = Adam.for_parameters(model.parameters.flat), model.quantised()
    [batch], name = batches(1), "encoder.0.feed_forward.hidden.weight"
    with Workers(model, 1) as workers:
        for step in range(10):
            workers.step(adam, [batch], rate=1e-2, seed=(0, step), label_smoothing=0.1)
    before, after = (np.sign(dict(one.parameters.named())[name]) for one in (rounded, model.quantised()))
    assert 0 < (before != after).mean() < 0.2
    assert len(values_of(dict(model.parameters.named())[name])) > 50
    assert len(values_of(dict(model.quantised().parameters.named())[name])) == 3


def test_the_card_takes_the_steps_of_the_cpu_and_does_not_wait():
    states = []
    for card in (False, True):
        model = Transformer(CONFIG, seed=1, dtype="float64", philox=True)
        if card:
            model.parameters = Parameters.view(strict_gpu.asarray(model.parameters.flat), model.parameters.tree)
        adam = Adam.for_parameters(model.parameters.flat)
        steps = GpuStep(model) if card else Workers(model, 1)
        with strict_gpu.counted() as counts:
            for number in range(4):
                steps.step(adam, batches(2), rate=0.01, seed=(7, number), label_smoothing=0.1)
        assert counts.synchronizations == 0
        steps.collect()
        states.append(to_host(model.parameters.flat))
    np.testing.assert_allclose(states[1], states[0], rtol=1e-6, atol=1e-8)


def test_the_plain_loop_learns():
    text = EncodedText.from_ids(*[[[3, 4, 5], [6, 7], [8, 9, 3], [5, 4]]] * 2, CONFIG)
    model = Transformer(CONFIG.replace(dropout=0.0, vocabulary_size=10), seed=1)
    losses = train_plainly(model, text, epochs=100, warmup=20, rate_scale=0.3)
    assert losses[-1] < 0.6 * losses[0]


def test_the_estimate_of_memory_counts_the_rounded_weights():
    size, float_config = StepSize(2, 3, 4), CONFIG.replace(weights="float")
    more = step_bytes(CONFIG, 1000, size, workers=2) - step_bytes(float_config, 1000, size, workers=2)
    assert more == 4 * 1000


# --- A run ---


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_corpus(tmp_path / "corpus")


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs train.py: arguments -> status, standard output, standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["train.py", *map(str, arguments)])
        return train.main(), *capsys.readouterr()

    return run


def state(path):
    return load_tensors(RunFiles(path).training_file)


@pytest.mark.parametrize("options", [{}, {"workers": 2, "accumulate": 2, "recompute": True}])
def test_stopped_and_resumed_it_is_the_same_bit_for_bit(corpus, options):
    nt.train(run="whole", weights="ternary", **SMALL | options)
    nt.train(run="parts", weights="ternary", callback=lambda step: step.step < 7, **SMALL | options)
    nt.train(run="parts", resume=True, quiet=True)
    (whole, _), (parts, _) = state("whole"), state("parts")
    assert whole.keys() == parts.keys()
    for name, values in whole.items():
        np.testing.assert_array_equal(values, parts[name], err_msg=name)
    for name in ("averaged", "best"):
        files = [Path(run, "checkpoints", f"{name}.safetensors") for run in ("whole", "parts")]
        assert files[0].exists() == files[1].exists()
        assert not files[0].exists() or files[0].read_bytes() == files[1].read_bytes()


def test_what_is_averaged_are_the_masters(corpus):
    """The mean of several roundings would have many values; the rounding of the mean has three."""
    nt.train(run="mine", weights="ternary", **SMALL)
    files = RunFiles("mine").step_files()
    mean = np.mean([Transformer.load(file).parameters.flat.astype("float64") for file in files], axis=0)
    averaged, count = RunFolder("mine").average(Transformer, 2, device="cpu")
    assert count == len(files) == 2
    assert averaged.config.weights == "ternary"
    np.testing.assert_allclose(averaged.parameters.flat, mean, rtol=1e-6)
    rounded = [weight for name, weight in averaged.quantised().parameters.named() if is_rounded(name)]
    assert all(len(values_of(weight)) == 3 for weight in rounded)


def test_what_translates_is_rounded(corpus):
    nt.train(run="mine", weights="ternary", **SMALL)
    model = nt.Translator.load("mine").model
    assert all(len(values_of(weight)) <= 3 for name, weight in model.parameters.named() if is_rounded(name))
    assert json.loads(Path("mine/config.json").read_text())["model"]["weights"] == "ternary"


def test_the_program_says_what_it_trains(corpus, run):
    status, out, _ = run(
        *("--data", corpus, "--weights", "ternary", "--steps", 2, "--vocabulary", 280, "--preset", "tiny"),
        *("--layers", 1, "--run", "mine", "--workers", 1),
    )
    assert status == 0
    assert "parameters, ternary weights, vocabulary 280" in out


@pytest.mark.parametrize("model", ["decoder", "encoder"])
def test_the_other_models_learn_so_too(corpus, tmp_path, model):
    """Of a text file, without a line of their own about it."""
    (tmp_path / "text.txt").write_text("the dog sees the cat\nthe cat sees a dog\n" * 40)
    small = {**SMALL, "data": "text.txt", "batch_tokens": 200, "steps": 4}
    nt.train(run="mine", model=model, weights="ternary", **small)
    kind = {"decoder": nt.LanguageModel, "encoder": nt.Encoder}[model]
    assert kind.load(RunFiles("mine").checkpoint_to_translate_with()).config.weights == "ternary"


# --- What does not fit together ---


def test_a_ternary_run_is_not_resumed_as_a_float_one_nor_the_reverse(corpus, run):
    for kind, other in (("ternary", "float"), ("float", "ternary")):
        nt.train(run=kind, weights=kind, **{**SMALL, "steps": 2})
        before, _ = state(kind)
        status, _, err = run("--resume", "--run", kind, "--weights", other, "--steps", 4)
        assert (status, err.count("\n")) == (2, 1)
        assert f"--weights {other} differs from the run's own ({kind} in {kind}/config.json)" in err
        after, _ = state(kind)
        assert all(np.array_equal(before[name], after[name]) for name in before)


def test_a_state_of_the_other_kind_is_noticed(corpus, run):
    """A checkpoint that was copied into the wrong run: its sizes fit."""
    for kind in ("ternary", "float"):
        nt.train(run=kind, weights=kind, **{**SMALL, "steps": 2})
    Path("float/checkpoints/training.safetensors").write_bytes(
        Path("ternary/checkpoints/training.safetensors").read_bytes()
    )
    status, _, err = run("--resume", "--run", "float", "--steps", 4)
    assert (status, err.count("\n")) == (2, 1)
    assert "training.safetensors is of another model than" in err


def test_going_on_from_a_ternary_model(corpus, run):
    """It stays ternary; as a float model only from its export, whose numbers are the rounded ones."""
    nt.train(run="base", weights="ternary", **{**SMALL, "steps": 4})
    goes_on = ("--from", "base", "--data", corpus, "--steps", 1, "--rate-scale", 1e-12, "--workers", 1)
    assert run(*goes_on, "--run", "mine")[0] == 0
    assert Transformer.load("mine/checkpoints/best.safetensors").config.weights == "ternary"
    status, _, err = run(*goes_on, "--run", "other", "--weights", "float")
    assert (status, err.count("\n")) == (2, 1)
    assert "--weights float: base has ternary weights, which are taken over: leave --weights out, or go on from" in err
    assert not Path("other").exists()

    export(nt.Translator.load("base"), "ternary", "small", run="base")
    goes_on = ("--from", "small", *goes_on[2:])
    assert run(*goes_on, "--run", "as-float", "--weights", "float")[0] == 0
    as_float = Transformer.load("as-float/checkpoints/best.safetensors")
    assert as_float.config.weights == "float"
    expected = nt.Translator.load("base").model.parameters.tree.encoder[0].feed_forward.hidden.weight
    np.testing.assert_allclose(as_float.parameters.tree.encoder[0].feed_forward.hidden.weight, expected, atol=1e-7)


def test_a_float_model_can_become_ternary(corpus, run):
    """Its weights are the masters; the run says how much is lost at first."""
    nt.train(run="base", **{**SMALL, "steps": 4})
    goes_on = ("--from", "base", "--data", corpus, "--steps", 1, "--rate-scale", 1e-12, "--workers", 1)
    assert run(*goes_on, "--weights", "ternary", "--run", "mine")[0] == 0
    mine, base = (Transformer.load(f"{name}/checkpoints/best.safetensors") for name in ("mine", "base"))
    assert mine.config == base.config.replace(weights="ternary")
    np.testing.assert_allclose(mine.parameters.flat, base.parameters.flat, atol=1e-7)
