"""Models of one stack go on from others: masked words to classes, one text to the next, GPT-2 and BERT."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import bpe
import numpy_transformer as nt
from numpy_transformer.commands import train
from numpy_transformer.formats.bert import write_bert
from numpy_transformer.formats.gpt2 import write_gpt2
from numpy_transformer.storage.tensors import load_tensors
from numpy_transformer.tasks.opening import open_encoder, open_language_model

ANIMALS, VERBS = ["dog", "cat", "bird", "horse"], ["runs", "sleeps", "eats", "sings"]
SENTENCES = [f"The {animal} {verb}{mark}" for animal in ANIMALS for verb in VERBS for mark in ".?!"]
SMALL = ["--d-model", 16, "--d-ff", 16, "--heads", 2, "--layers", 1, "--vocabulary", 300]
BRIEF = ["--batch-tokens", 200, "--evaluate-every", 10, "--workers", 1, "--run", "mine"]


@pytest.fixture
def run(tmp_path: Path, monkeypatch, capsys):
    """Runs train.py in a folder with texts: arguments -> status, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("\n".join(SENTENCES * 3), encoding="utf-8")
    Path("other.txt").write_text("\n".join(s.replace("The", "A") for s in SENTENCES * 3), encoding="utf-8")
    labelled = [f"{'question' if '?' in s else 'statement'}\t{s}\n" for s in SENTENCES * 2]
    Path("labelled.tsv").write_text("".join(labelled), encoding="utf-8")

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["train.py", *map(str, arguments)])
        return train.main(), *capsys.readouterr()

    return run


def tensors_of(run_name: str) -> dict[str, np.ndarray]:
    return load_tensors(f"{run_name}/checkpoints/training.safetensors")[0]


ENCODER = ["--model", "encoder"]
CLASSES = [*ENCODER, "--task", "classify", "--data", "labelled.tsv", *BRIEF]


def test_from_masked_words_to_classes(run):
    """What the encoder knows is taken over, bit for bit; its classifier is fresh; the result classifies."""
    assert run(*ENCODER, "--data", "text.txt", "--steps", 10, *SMALL, *BRIEF, "--run", "words")[0] == 0
    status, out, _ = run("--from", "words", *CLASSES, "--steps", 1, "--rate-scale", 1e-12)
    assert status == 0
    assert "going on from words" in out
    assert "before:" not in out  # fresh classes know nothing that could be compared
    before, _ = open_encoder("words")
    after, tokenizer = open_encoder("mine")
    for name, values in before.host_tensors().items():
        np.testing.assert_allclose(after.host_tensors()[name], values, atol=1e-7, err_msg=name)
    assert after.config == before.config.replace(labels=("question", "statement"), pooling="mean")
    assert tokenizer.digest == open_encoder("words")[1].digest


def test_from_classes_to_the_same_classes(run):
    assert run(*CLASSES, "--steps", 60, "--warmup", 20, *SMALL, "--run", "first")[0] == 0
    status, out, _ = run("--from", "first", *CLASSES, "--steps", 10)
    assert status == 0
    assert "before: validation: accuracy" in out
    assert "fine-tuning: validation accuracy" in out


def test_a_text_after_another(run):
    """The loss on the new text is told before and after; stopped and resumed, the run is the same."""
    decoder = ["--model", "decoder", "--context", 16, *BRIEF]
    assert run(*decoder, "--data", "text.txt", "--steps", 30, *SMALL, "--run", "first")[0] == 0
    go_on = ["--from", "first", *decoder, "--data", "other.txt"]
    status, out, _ = run(*go_on, "--steps", 30)
    assert status == 0
    records = [json.loads(line) for line in Path("mine/log.jsonl").read_text().splitlines()]
    [before], [after] = ([r for r in records if r["kind"] == kind] for kind in ("base", "test"))
    assert f"fine-tuning: validation loss {before['loss']:.3f} -> {after['loss']:.3f}" in out
    assert after["loss"] < before["loss"]

    assert run(*go_on, "--steps", 12, "--run", "parts")[0] == 0
    assert run("--resume", "--run", "parts", "--steps", 30)[0] == 0
    parts = tensors_of("parts")
    for name, values in tensors_of("mine").items():
        np.testing.assert_array_equal(values, parts[name], err_msg=name)


def test_from_a_folder_of_gpt2(run):
    tokenizer = bpe.train(SENTENCES, vocabulary_size=300, special_tokens=("<|endoftext|>",))
    config = nt.TransformerConfig(
        vocabulary_size=len(tokenizer), decoder_layers=1, d_model=16, d_ff=16, heads=2, context=24,
        norm="pre", positions="learned", activation="gelu_tanh",
    )  # fmt: skip
    write_gpt2(nt.LanguageModel(config, seed=1), tokenizer, Path("gpt2"))
    go_on = ["--from", "gpt2", "--model", "decoder", "--data", "text.txt", *BRIEF, "--steps", 5]
    status, _, err = run(*go_on, "--context", 16)
    assert (status, err) == (0, "")
    model, read = open_language_model("mine")
    assert (model.config.activation, read.digest) == ("gelu_tanh", open_language_model("gpt2")[1].digest)
    assert run("--resume", "--run", "mine", "--steps", 7)[0] == 0
    status, _, err = run(*go_on, "--context", 32, "--run", "long")
    assert (status, err.count("\n")) == (2, 1)
    assert "gpt2 reads at most 24: lower --context" in err


def test_from_a_folder_of_bert(run):
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", *ANIMALS, *VERBS, ".", "?", "!"]
    config = nt.TransformerConfig(
        vocabulary_size=len(pieces), encoder_layers=1, d_model=16, d_ff=16, heads=2, context=12,
        positions="learned", activation="gelu", token_types=2, norm_epsilon=1e-12, pad_id=0, bos_id=2, eos_id=3,
    )  # fmt: skip
    write_bert(nt.Encoder(config, seed=1), Path("bert"))
    Path("bert/vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces), encoding="utf-8")
    assert run("--from", "bert", *CLASSES, "--steps", 5)[0] == 0
    assert run("--resume", "--run", "mine", "--steps", 7)[0] == 0
    model, tokenizer = open_encoder("mine")
    assert model.config.labels == ("question", "statement")
    assert tokenizer.encode("The Dog sings.") == [5, 6, 13, 14]
    assert run("--from", "bert", *ENCODER, "--data", "text.txt", "--steps", 2, *BRIEF, "--run", "words")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layers", 2], "--layers 2: words has --layers 1, which is taken over: leave --layers out"),
        (["--d-model", 8], "--d-model 8: words has --d-model 16, which is taken over"),
        (["--positions", "learned"], "--positions learned: words has --positions sinusoidal, which is taken over"),
        (["--vocabulary", 400], "which are taken over: leave --vocabulary out"),
        (["--from", "nowhere"], "nowhere: no such run folder or checkpoint"),
        (["--from", "tatoeba"], "tatoeba"),
    ],
)
def test_what_cannot_be_is_one_clear_line(run, arguments, message):
    assert run(*ENCODER, "--data", "text.txt", "--steps", 1, *SMALL, *BRIEF, "--run", "words")[0] == 0
    status, _, err = run("--from", "words", *CLASSES, "--steps", 1, *arguments)
    assert (status, err.count("\n")) == (2, 1)
    assert message in err
    assert not Path("mine").exists()
