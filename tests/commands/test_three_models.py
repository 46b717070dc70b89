"""The programs of the models of one stack: train, stop and resume, complete, fill, classify, and invalid uses."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import numpy_transformer as nt
from numpy_transformer.commands import complete_text, read_text, train
from numpy_transformer.commands.export_model import export_one_stack
from numpy_transformer.seeing.kinds import kinds_of
from numpy_transformer.storage.tensors import load_tensors
from numpy_transformer.tasks.completion import Completer
from numpy_transformer.tasks.opening import open_encoder, open_language_model
from numpy_transformer.tasks.reading import Reader
from numpy_transformer.training.starting_point import size_of
from numpy_transformer.translation.loading import load_model

ROOT = Path(__file__).resolve().parents[2]
SIZES = ["--d-model", "16", "--d-ff", "32", "--heads", "2", "--layers", "1", "--vocabulary", "300", "--average", "2"]
STEPS = ["--batch-tokens", "256", "--warmup", "20", "--rate-scale", "1", "--evaluate-every", "4", "--workers", "2"]
WORDS = ["--data", "text.txt", "--positions", "learned", "--activation", "gelu", "--bpe-dropout", "0.1"]
MODELS = {
    "decoder": ["--model", "decoder", "--data", "text.txt", "--context", "16", "--dropout", "0.1"],
    "words": ["--model", "encoder", *WORDS],
    "classes": ["--model", "encoder", "--task", "classify", "--data", "labelled"],
}
ANIMALS, FOODS = ["dog", "cat", "horse", "cow", "sheep"], ["bread", "cheese", "soup", "rice", "fish"]


def train_with(*arguments):
    return train.train(train.parse_arguments([*map(str, arguments)]))


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A plain text, and labelled texts in a folder, of which the class is plain to see."""
    folder = tmp_path_factory.mktemp("texts")
    rng = random.Random(0)
    lines = [f"The {rng.choice(ANIMALS)} eats {rng.choice(FOODS)}, {i}." for i in range(400)]
    (folder / "text.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "labelled").mkdir()
    for name, count in (("train", 200), ("test", 40)):
        rows = [
            f"{label}\tI see the {rng.choice(words)} {rng.randrange(100)}"
            for _ in range(count // 2)
            for label, words in (("ANIMAL", ANIMALS), ("FOOD", FOODS))
        ]
        (folder / "labelled" / f"{name}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def runs(texts, tmp_path_factory):
    """A run of each kind: 12 steps, or more for classes, which then are known."""
    folder = tmp_path_factory.mktemp("runs")
    for name, options in MODELS.items():
        steps = 60 if name == "classes" else 12
        more = ["--data-dir", texts, "--steps", steps, "--run", folder / name]
        assert train_with(*options, *SIZES, *STEPS, *more) == 0
    return folder


def weights(run):
    tensors, _ = load_tensors(run / "checkpoints" / "training.safetensors")
    return np.concatenate([tensors[name].reshape(-1) for name in sorted(tensors)])


@pytest.mark.parametrize(
    ("kind", "size"), [("decoder", "3 layers of width 16 (32)"), ("encoder", "2 layers of width 16 (32)")]
)
def test_a_model_of_one_stack_is_named_by_its_own_layers(kind, size):
    sizes = {"vocabulary_size": 9, "encoder_layers": 2, "decoder_layers": 3, "d_model": 16, "d_ff": 32}
    config = nt.TransformerConfig(**sizes)
    assert size_of(config, kind="decoder") == "3 layers of width 16 (32)"
    assert size_of(config, kind="encoder") == "2 layers of width 16 (32)"
    assert size_of(config) == "2 + 3 layers of width 16 (32)"


@pytest.mark.parametrize("name", MODELS)
def test_a_resumed_run_equals_one_that_was_never_stopped(name, texts, runs, tmp_path):
    """Bit for bit: weights, moments, and the lines of the log but for the time."""
    if name == "classes":
        pytest.skip("the same trainer; its run is longer")
    more = ["--data-dir", texts, "--run", tmp_path / "run"]
    assert train_with(*MODELS[name], *SIZES, *STEPS, *more, "--steps", 6) == 0
    assert train_with("--resume", "--run", tmp_path / "run", "--steps", 12) == 0
    stopped_evaluates_too = weights(tmp_path / "run")
    np.testing.assert_array_equal(stopped_evaluates_too, weights(runs / name))


def test_two_workers_recomputation_and_accumulation_make_the_same_model(texts, runs, tmp_path):
    more = ["--data-dir", texts, "--steps", 12, "--run", tmp_path / "run", "--recompute"]
    assert train_with(*MODELS["decoder"], *SIZES, *STEPS, *more) == 0
    np.testing.assert_array_equal(weights(tmp_path / "run"), weights(runs / "decoder"))


def test_every_run_leaves_checkpoints_log_curves_and_samples(runs):
    for name in MODELS:
        for file in ("log.jsonl", "curves.png", "samples.txt", "tokenizer.json", "checkpoints/best.safetensors"):
            assert (runs / name / file).is_file(), (name, file)


def test_completions_are_streamed_repeatable_and_different_for_each_number(runs, capsys):
    complete_text.main(["The dog", "--model", str(runs / "decoder"), "--length", "20", "--seed", "3"])
    first = capsys.readouterr().out
    assert first.startswith("The dog")
    complete_text.main(["The dog", "--model", str(runs / "decoder"), "--length", "20", "--seed", "3", "--n", "2"])
    several = capsys.readouterr().out
    assert first.strip("\n") in several
    assert several.count("--- ") == 2
    complete_text.main(["The dog", "--model", str(runs / "decoder"), "--length", "40", "--greedy"])
    assert capsys.readouterr().out.startswith("The dog")


def test_words_are_filled_in_and_texts_classified(runs, capsys):
    read_text.fill(["The [mask] eats [mask].", "--model", str(runs / "words"), "--guesses", "3"])
    lines = capsys.readouterr().out.split("\n")
    assert "[mask]" not in lines[0]
    assert len([line for line in lines if "%" in line]) == 6
    read_text.classify(["I see the cow 7", "I see the soup 7", "--model", str(runs / "classes")])
    out = capsys.readouterr().out.split("\n")
    assert "ANIMAL" in out[1]
    assert "FOOD" in out[4]


def test_the_test_set_is_classified_and_its_accuracy_logged(runs):
    assert '"kind": "test"' in (runs / "classes" / "log.jsonl").read_text()
    assert '"accuracy": 1.0' in (runs / "classes" / "log.jsonl").read_text().strip().split("\n")[-1]


def test_each_program_refuses_a_model_of_another_kind(runs):
    with pytest.raises(nt.InputError, match="a model of the kind decoder: open it with nt"):
        load_model(runs / "decoder")
    with pytest.raises(nt.InputError, match="a model of the kind encoder"):
        open_language_model(runs / "words")
    with pytest.raises(nt.InputError, match="a model of the kind decoder"):
        open_encoder(runs / "decoder")
    with pytest.raises(nt.InputError, match="no classes: train one with --model encoder --task classify"):
        read_text.classify(["a", "--model", str(runs / "words")])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["The dog", "--greedy", "--n", "2"], "--greedy gives one text"),
        (["", "--length", "5"], "the prompt is empty"),
        (["word " * 40], "the model's context is 16: shorten the prompt"),
        (["The", "--temperature", "0"], "temperature is 0.0"),
        (["The", "--length", "0"], "length is 0"),
    ],
)
def test_impossible_completions_are_one_line(runs, arguments, message):
    with pytest.raises(nt.InputError, match=message):
        complete_text.main([*arguments, "--model", str(runs / "decoder")])


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("", ["--model", "decoder"], "too short to learn from"),
        ("One line only.\n", ["--model", "decoder"], "too short to learn from"),
        ("word\n" * 100, ["--model", "decoder", "--context", "4000"], "--context is 4000; the training text has"),
        ("word\n" * 100, ["--model", "encoder"], "too few different lines"),
        ("A\tone\nA\ttwo\nB\tthree\n", ["--model", "encoder", "--task", "classify"], "the label 'B' occurs once"),
        ("A\tone\nA\ttwo\n", ["--model", "encoder", "--task", "classify"], "has 1 label"),
        ("one\ntwo\n", ["--model", "encoder", "--task", "classify"], "line 1: has no TAB"),
        (
            "word\n",
            ["--model", "decoder", "--task", "classify"],
            "'classify'; it must be left out, or complete",
        ),
        ("word\n", ["--positions", "learned"], "unless with another --model"),
    ],
)
def test_texts_that_cannot_be_learned_from_are_one_line(content, options, message, tmp_path):
    file = tmp_path / ("text.tsv" if "classify" in options and "encoder" in options else "text.txt")
    file.write_text(content, encoding="utf-8")
    with pytest.raises(nt.InputError, match=message):
        train_with("--data", file, *options, *SIZES, "--steps", "2", "--run", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_programs_start_and_say_what_is_wrong(tmp_path):
    for program in ("complete", "fill", "classify"):
        command = [sys.executable, "-m", f"numpy_transformer.{program}", "text", "--model", "nowhere"]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert result.returncode == 2
        assert f"python -m numpy_transformer.{program}: nowhere: no such run folder" in result.stderr
        assert result.stderr.count("\n") == 1


def test_a_run_is_exported_to_gpt2_or_told_what_it_lacks(texts, runs, tmp_path):
    options = ["--context", "16", "--norm", "pre", "--positions", "learned", "--activation", "gelu_tanh"]
    more = ["--data-dir", texts, "--steps", 2, "--run", tmp_path / "run"]
    assert train_with("--model", "decoder", "--data", "text.txt", *options, *SIZES, *STEPS, *more) == 0
    export_one_stack(tmp_path / "run", "gpt2", tmp_path / "gpt2")
    exported, tokenizer = open_language_model(tmp_path / "gpt2")
    ours, _ = open_language_model(tmp_path / "run")
    ids = np.array([tokenizer.encode("The dog eats")])
    np.testing.assert_array_equal(exported.logits(ids), ours.logits(ids))
    with pytest.raises(nt.InputError, match="train with --norm pre --positions learned"):
        export_one_stack(runs / "decoder", "gpt2", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("task", ["masked-words", "classify"])
def test_a_run_is_exported_to_bert_or_told_what_it_lacks(task, texts, runs, tmp_path):
    data = ["--task", task, "--data", "text.txt" if task == "masked-words" else "labelled"]
    options = ["--model", "encoder", "--positions", "learned", "--activation", "gelu", "--pooling", "first"]
    more = ["--data-dir", texts, "--steps", 2, "--run", tmp_path / "run"]
    assert train_with(*options, *data, *SIZES, *STEPS, *more) == 0
    export_one_stack(tmp_path / "run", "bert", tmp_path / "bert")
    exported, read = open_encoder(tmp_path / "bert")
    ours, tokenizer = open_encoder(tmp_path / "run")
    row = [ours.config.bos_id, *tokenizer.encode("The dog eats"), ours.config.eos_id]
    assert read.encode("The dog eats") == tokenizer.encode("The dog eats")
    np.testing.assert_allclose(exported.hidden(np.array([row])), ours.hidden(np.array([row])), atol=1e-6)
    with pytest.raises(nt.InputError, match="train with --norm post --positions learned --activation gelu"):
        export_one_stack(runs / "classes", "bert", tmp_path / "other")
    assert not (tmp_path / "other").exists()


# --- What is looked at ---


def test_a_completion_shows_what_its_tokens_look_back_at(runs, tmp_path, capsys):
    picture, page = tmp_path / "map.png", tmp_path / "map.html"
    command = ["--model", str(runs / "decoder"), "The dog", "--length", "6", "--attention"]
    complete_text.main([*command, str(picture)])
    complete_text.main([*command, str(page)])
    written = capsys.readouterr()
    assert written.err == f"attention: {picture}\nattention: {page}\n"
    text = written.out.splitlines()[0]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "Self-attention" in page.read_text(encoding="utf-8")
    model, tokenizer = open_language_model(runs / "decoder")
    [kind] = kinds_of(Completer(model, tokenizer).attention(text))
    assert "".join(token.label for token in kind.keys).startswith("The")
    np.testing.assert_allclose(np.triu(kind.weights, 1), 0, atol=0)  # it never looks ahead
    # A query's weights on all tokens up to itself sum to 1; the last key, of the last token, is nobody's here.
    np.testing.assert_allclose(kind.weights.sum(axis=-1), 1, rtol=1e-5)


def test_a_reader_shows_what_its_tokens_look_at(runs, tmp_path, capsys):
    for name, program, text in (
        ("words", read_text.fill, "The [mask] eats"),
        ("classes", read_text.classify, "I see the dog"),
    ):
        file = tmp_path / f"{name}.png"
        program(["--model", str(runs / name), text, "--attention", str(file)])
        assert file.read_bytes().startswith(b"\x89PNG")
        assert f"attention: {file}" in capsys.readouterr().err
        model, tokenizer = open_encoder(runs / name)
        [kind] = kinds_of(Reader(model, tokenizer).attention(text))
        assert len(kind.queries) == len(kind.keys) == kind.weights.shape[-1]
        np.testing.assert_allclose(kind.weights.sum(axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("program", "arguments", "message"),
    [
        (complete_text.main, ["The", "--attention", "map.txt"], "give a name that ends with one of these"),
        (complete_text.main, ["The", "--attention", "map.png", "--n", "2"], "--attention draws one text"),
        (read_text.classify, ["a", "b", "--attention", "map.png"], "--attention draws one text"),
        (read_text.fill, ["a [mask]", "--attention", "map.jpg"], "give a name that ends with one of these"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(program, arguments, message):
    with pytest.raises(nt.InputError, match=message):
        program(arguments)
