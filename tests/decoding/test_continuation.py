"""A language model goes on: what is kept gives what computing everything again would give."""

import numpy as np
import pytest
import strict_gpu

import numpy_transformer as nt
from numpy_transformer.backend.arrays import to_host
from numpy_transformer.data.text_batches import TextBatch
from numpy_transformer.decoding.continuation import Continuation, complete
from numpy_transformer.layers.parameters import Parameters
from numpy_transformer.training.gpu_step import GpuStep
from numpy_transformer.training.optimizer import Adam
from numpy_transformer.training.parallel import Workers

# A key bias has gradient 0 but for rounding, and Adam divides by the size of what it gets.
ROUNDING = 1e-8
KINDS = [
    {},
    {"norm": "pre", "activation": "swish"},
    {"norm": "pre", "positions": "learned", "activation": "gelu_tanh"},
    {"norm": "post", "positions": "learned", "activation": "gelu", "norm_epsilon": 1e-3},
]


def language_model(dtype="float64", **options):
    sizes = {"vocabulary_size": 20, "decoder_layers": 2, "d_model": 8, "d_ff": 12, "heads": 2, "context": 12}
    model = nt.LanguageModel(nt.TransformerConfig(**sizes, **options), seed=1, dtype=dtype)
    model.parameters.flat[...] += np.random.default_rng(1).normal(size=model.parameters.flat.shape) * 0.3
    return model


def on_card(model):
    """The same model with its parameters on the pretended card."""
    model.parameters = Parameters.view(strict_gpu.asarray(model.parameters.flat), model.parameters.tree)
    return model


@pytest.mark.parametrize("options", KINDS)
def test_kept_keys_and_values_give_the_logits_of_the_whole_text(options):
    model = language_model(**options)
    ids = np.random.default_rng(2).integers(3, 20, (3, 11))
    expected = model.logits(ids)
    state = Continuation(model, texts=3)
    np.testing.assert_allclose(state.step(ids[:, :5]), expected[:, 4], rtol=1e-9, atol=1e-9)  # the prompt, at once
    for t in range(5, 11):
        np.testing.assert_allclose(state.step(ids[:, t : t + 1]), expected[:, t], rtol=1e-9, atol=1e-9)


def greedy_again(model, prompt, count):
    """The same by computing everything again for each token, with the window as it slides."""
    ids, start, found = list(prompt), 0, []
    for _ in range(count):
        logits = model.logits(np.array([ids[start:]]))[0, -1]
        logits[[model.config.pad_id, model.config.bos_id]] = -np.inf
        full = len(ids) - start >= model.config.context
        found.append(int(logits.argmax()))
        ids.append(found[-1])
        start = len(ids) - model.config.context // 2 if full else start
    return found


@pytest.mark.parametrize("options", KINDS)
def test_greedy_tokens_beyond_the_context(options):
    model, prompt = language_model(**options), [3, 4, 5]
    tokens = [int(step[0]) for step in complete(model, prompt, 40)]
    assert tokens == greedy_again(model, prompt, 40)


def test_a_sample_depends_on_its_number_only():
    model = language_model()
    sampling = nt.Sampling(temperature=1.2, top_k=10, top_p=0.95, seed=5)
    several = np.array(list(complete(model, [3, 4], 15, sampling, texts=3)))
    one = np.array(list(complete(model, [3, 4], 15, sampling)))
    np.testing.assert_array_equal(several[:, :1], one)
    assert (several[:, 0] != several[:, 1]).any()


def test_the_tokens_on_a_card_are_those_of_the_cpu():
    for options in KINDS:
        for sampling in (None, nt.Sampling(seed=2)):
            expected = np.array(list(complete(language_model("float32", **options), [3, 4, 5], 20, sampling)))
            found = list(complete(on_card(language_model("float32", **options)), [3, 4, 5], 20, sampling))
            np.testing.assert_array_equal(np.array(found), expected)


@pytest.mark.parametrize("task", ["blocks", "words", "classes"])
def test_training_steps_on_a_card_are_those_of_the_cpu(task):
    """Dropout on, two batches a step; the masks are drawn as a card draws them."""
    options = {"dropout": 0.2, "labels": ("a", "b"), "positions": "learned", "activation": "gelu", "token_types": 2}
    sizes = {"vocabulary_size": 20, "encoder_layers": 2, "decoder_layers": 2, "d_model": 8, "d_ff": 12, "heads": 2}
    config = nt.TransformerConfig(**sizes, **options, context=12)
    kind = nt.LanguageModel if task == "blocks" else nt.Encoder

    def batch(seed):
        ids = np.random.default_rng(seed).integers(3, 20, (4, 9))
        ids[1, 6:] = 0
        if task == "blocks":
            return TextBatch(ids, None, int((ids[:, 1:] != 0).sum()))
        if task == "classes":
            return TextBatch(ids, np.array([0, 1, 1, 0]), 4)
        targets = np.where(np.arange(9) % 3 == 1, ids, 0)
        return TextBatch(ids, targets, int((targets != 0).sum()))

    flats = []
    for place in ("cpu", "card"):
        model = kind(config, seed=1, dtype="float64", philox=True)
        steps = Workers(model, 1) if place == "cpu" else GpuStep(on_card(model))
        adam = Adam.for_parameters(model.parameters.flat)
        with steps as workers:
            for step in (1, 2, 3):
                batches = [batch(step), batch(10 + step)]
                workers.step(adam, batches, rate=0.01, seed=(1, step), label_smoothing=0.1, clip=1.0)
            workers.collect()
        flats.append(to_host(model.parameters.flat))
    np.testing.assert_allclose(flats[1], flats[0], rtol=1e-6, atol=ROUNDING)
