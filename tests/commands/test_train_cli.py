"""train.py as a user sees it: a whole run, Ctrl-C and --resume, and one clear line for every invalid use."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bpe
import numpy_transformer as nt
from numpy_transformer.storage.tensors import load_tensors, save_tensors

ROOT = Path(__file__).resolve().parents[2]
SCHEDULE = ["--warmup", "20", "--rate-scale", "1", "--evaluate-every", "4"]
SMALL = ["--vocabulary", "300", "--batch-tokens", "200", *SCHEDULE, "--workers", "2"]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Numbers in words, English to German, in a TSV file."""
    english = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    german = ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
    rng = random.Random(0)
    path = tmp_path_factory.mktemp("corpus") / "numbers.tsv"
    lines = set()
    while len(lines) < 300:
        digits = [rng.randrange(10) for _ in range(rng.randrange(2, 6))]
        lines.add(" ".join(english[d] for d in digits) + "\t" + " ".join(german[d] for d in digits))
    path.write_text("\n".join(sorted(lines)) + "\n", encoding="utf-8")
    return path


def run(*arguments: object, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "train.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def final_weights(folder: Path) -> np.ndarray:
    tensors, _ = load_tensors(folder / "checkpoints" / "training.safetensors")
    return np.concatenate([tensors[name].reshape(-1) for name in sorted(tensors)])


@pytest.fixture(scope="module")
def finished(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of ten steps, never interrupted."""
    cwd = tmp_path_factory.mktemp("finished")
    result = run("--data", corpus, "--steps", 10, *SMALL, "--run", "run", cwd=cwd)
    assert result.returncode == 0, result.stderr
    return cwd / "run"


def test_a_run_leaves_everything_it_promises(finished: Path):
    for name in ("config.json", "tokenizer.json", "log.jsonl", "samples.txt", "checkpoints/best.safetensors"):
        assert (finished / name).stat().st_size > 0
    words = (finished / "words.txt").read_text().split()
    assert words == ["eight", "five", "four", "nine", "one", "seven", "six", "three", "two", "zero"]
    assert (finished / "curves.png").read_bytes().startswith(b"\x89PNG")
    steps = sorted(path.name for path in (finished / "checkpoints").glob("step-*"))
    assert steps == [f"step-{step:08d}.safetensors" for step in (4, 8, 10)]
    records = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    assert [record["kind"] for record in records] == ["evaluation", "evaluation", "step", "evaluation", "test"]
    assert "tok:13a" in records[-1]["signature"]
    for record in records:
        if record["kind"] in ("evaluation", "test"):
            assert "nc:6" in record["chrf_signature"]
            assert 0 <= record["chrf"] <= 100
    assert not list(finished.rglob("*.tmp"))


def test_a_finished_run_is_measured_further_when_asked(corpus: Path, finished: Path, tmp_path: Path):
    """Tokens, and the edit rate; the log keeps each score under its signature."""
    shutil.copytree(finished, tmp_path / "run")
    result = run("--resume", "--run", "run", "--tokenised", "--ter", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    record = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    signatures = " ".join(record["further_scores"])
    assert record["kind"] == "test"
    assert "tok:none" in signatures
    assert "tok:tercom" in signatures
    for score in record["further_scores"].values():
        assert f" {score:.2f} (" in result.stdout


def test_the_average_is_the_mean_of_the_checkpoints(finished: Path):
    averaged, _ = load_tensors(finished / "checkpoints" / "averaged.safetensors")
    parts = [load_tensors(path)[0] for path in (finished / "checkpoints").glob("step-*")]
    for name, values in averaged.items():
        np.testing.assert_allclose(values, np.mean([part[name] for part in parts], axis=0), atol=1e-6)


def test_every_checkpoint_names_its_tokenizer(finished: Path):
    digest = bpe.Tokenizer.load(finished / "tokenizer.json").digest
    for path in (finished / "checkpoints").glob("*.safetensors"):
        if path.name != "training.safetensors":
            assert nt.Transformer.load(path).tokenizer_digest == digest


@pytest.mark.parametrize("accumulate", [1, 2])
def test_interrupt_and_resume_give_the_same_bits(corpus: Path, tmp_path: Path, accumulate: int):
    options = ["--data", corpus, *SMALL, "--dropout", "0.2", "--accumulate", accumulate]
    assert run(*options, "--steps", 14, "--run", "whole", cwd=tmp_path).returncode == 0

    command = [sys.executable, "-u", str(ROOT / "train.py"), *map(str, options), "--steps", "14", "--run", "parts"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("step 4:"):  # the first evaluation
                process.send_signal(signal.SIGINT)
                break
        process.stdout.read()
        assert process.wait() == 130
    state = json.loads(load_tensors(tmp_path / "parts/checkpoints/training.safetensors")[1]["progress"])
    assert 4 <= state["step"] < 14

    result = run("--resume", "--run", "parts", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    np.testing.assert_array_equal(final_weights(tmp_path / "whole"), final_weights(tmp_path / "parts"))
    for name in ("averaged", "best"):
        whole, _ = load_tensors(tmp_path / f"whole/checkpoints/{name}.safetensors")
        parts, _ = load_tensors(tmp_path / f"parts/checkpoints/{name}.safetensors")
        for key, values in whole.items():
            np.testing.assert_array_equal(values, parts[key])
    kinds = [
        [(record["kind"], record["step"]) for record in map(json.loads, (tmp_path / p / "log.jsonl").open())]
        for p in ("whole", "parts")
    ]
    assert kinds[0] == kinds[1]


def test_a_longer_run_can_follow(finished: Path, tmp_path: Path):
    shutil.copytree(finished, tmp_path / "run")
    result = run("--resume", "--run", "run", "--steps", 12, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "run/checkpoints/step-00000012.safetensors").exists()


def bad_cases(corpus: Path, finished: Path) -> dict[str, tuple[list[object], str]]:
    """name: (arguments, what the message must say)."""
    return {
        "vocabulary below the bytes": (["--vocabulary", 200], "--vocabulary is 200"),
        "negative steps": (["--steps", -5], "--steps is -5"),
        "no minutes": (["--minutes", 0], "--minutes is 0"),
        "dropout of one": (["--dropout", 1], "--dropout is 1"),
        "workers": (["--workers", 0], "--workers is 0"),
        "workers without end": (["--workers", 100_000], "--workers is 100000; it must be at most 1024"),
        "smoothing": (["--label-smoothing", 1.5], "--label-smoothing is 1.5"),
        "not a number": (["--rate-scale", "nan"], "--rate-scale is nan"),
        "unknown corpus": (["--data", "nowhere"], "nowhere"),
        "missing file": (["--data", "gone.tsv"], "gone.tsv"),
        "folder without text": (["--data", corpus.parent], "train.en"),
        "taken run folder": (["--data", corpus, "--run", finished], "--resume"),
        "no run to resume": (["--resume"], "no run in runs"),
        "resume a missing run": (["--resume", "--run", "gone"], "gone"),
        "resume with other data": (["--resume", "--run", finished, "--data", "multi30k"], "--data multi30k differs"),
        "resume with another size": (["--resume", "--run", finished, "--preset", "base"], "--preset base differs"),
        "missing config file": (["--config", "gone.toml"], "gone.toml"),
        "no pair short enough": (["--data", corpus, "--vocabulary", 260, "--max-length", 2], "--max-length"),
        "batch of nothing": (["--batch-tokens", 0], "--batch-tokens is 0"),
        "warmup beyond numbers": (["--warmup", 10**400], "--warmup is 1000"),
        "longer than can be decoded": (["--max-length", 5000], "between 2 and 1000"),
        "a file as run folder": (["--data", corpus, "--run", corpus], "is a file"),
        "an empty name": (["--data", corpus, "--run", ""], "--run is empty"),
        "a run folder in a file": (["--data", corpus, "--run", corpus / "run"], "cannot be written to"),
    }


def test_which_of_several_runs_is_resumed_is_said(tmp_path: Path):
    for number, name in enumerate(("older", "newer"), 1):
        file = tmp_path / "runs" / name / "checkpoints" / "training.safetensors"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"")
        os.utime(file, ns=(number * 10**18, number * 10**18))
    result = run("--resume", cwd=tmp_path)
    assert result.returncode == 2  # there is nothing in it
    assert result.stderr.startswith("resuming: runs/newer, the latest of 2 runs; --run names another\n")


@pytest.mark.parametrize("name", list(bad_cases(Path("x"), Path("x"))))
def test_bad_input_is_one_line_and_leaves_nothing(name: str, corpus: Path, finished: Path, tmp_path: Path):
    arguments, expected = bad_cases(corpus, finished)[name]
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    assert os.listdir(tmp_path) == []


def test_config_file_and_command_line(corpus: Path, tmp_path: Path):
    (tmp_path / "options.toml").write_text(
        f'data = "{corpus}"\nsteps = 2\nvocabulary = 300\nbatch-tokens = 200\nseed = 4\n'
    )
    result = run("--config", "options.toml", "--seed", 5, "--run", "run", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    options = json.loads((tmp_path / "run/config.json").read_text())["options"]
    assert (options["seed"], options["steps"], options["vocabulary"]) == (5, 2, 300)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("steps = ", "not TOML"),
        ("stepps = 3", "stepps"),
        ('steps = "many"', "--steps is 'many'"),
        ("seed = true", "--seed"),
        ('data = ["x"]', "--data is ['x']"),
    ],
)
def test_bad_config_files(content: str, expected: str, tmp_path: Path):
    (tmp_path / "options.toml").write_text(content)
    result = run("--config", "options.toml", cwd=tmp_path)
    assert result.returncode == 2
    assert expected in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("damage", ["cut", "flip", "foreign", "config", "option"])
def test_a_damaged_run_is_refused(damage: str, finished: Path, tmp_path: Path):
    shutil.copytree(finished, tmp_path / "run")
    state = tmp_path / "run/checkpoints/training.safetensors"
    content = bytearray(state.read_bytes())
    if damage == "cut":
        state.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[len(content) // 2] ^= 1
        state.write_bytes(content)
    elif damage == "foreign":
        state.write_bytes(b"not a checkpoint at all")
    else:
        options = '{"wrong": 1}' if damage == "config" else '{"steps": "many"}'
        (tmp_path / "run/config.json").write_text(f'{{"options": {options}}}')
    before = state.read_bytes()
    result = run("--resume", "--run", "run", "--steps", 12, cwd=tmp_path)
    assert result.returncode == 2
    assert ("config.json" if damage in ("config", "option") else "training.safetensors") in result.stderr
    assert result.stderr.count("\n") == 1
    assert state.read_bytes() == before


def test_five_broken_gradients_in_a_row_stop_with_a_report(finished: Path, tmp_path: Path):
    shutil.copytree(finished, tmp_path / "run")
    state = tmp_path / "run/checkpoints/training.safetensors"
    tensors, metadata = load_tensors(state)
    tensors["decoder.1.feed_forward.output.weight"][0, 0] = np.inf
    save_tensors(state, tensors, metadata)
    before = state.read_bytes()
    result = run("--resume", "--run", "run", "--steps", 30, "--evaluate-every", 50, cwd=tmp_path)
    assert result.returncode == 2
    assert "5 updates in a row" in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout.count("skipped: loss") == 5
    assert "decoder.1.feed_forward.output.weight" in result.stdout
    assert state.read_bytes() == before


def test_a_diverged_model_does_not_replace_the_last_good_state(corpus: Path, tmp_path: Path):
    options = ["--data", corpus, *SMALL, "--steps", 30, "--rate-scale", 1e30, "--run", "run", "--evaluate-every", 1]
    result = run(*options, cwd=tmp_path)
    assert result.returncode == 2
    assert "validation loss at step 1 is" in result.stderr
    assert result.stderr.count("\n") == 1
    assert [path.name for path in (tmp_path / "run/checkpoints").glob("*")] == ["training.safetensors"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_full_disk_is_noticed_before_the_work(corpus: Path, tmp_path: Path):
    """The limit is between a checkpoint's size and a state's, which is three times as large."""
    import resource

    command = [sys.executable, str(ROOT / "train.py"), "--data", str(corpus), *SMALL, "--steps", "6", "--run", "run"]
    limit = (8 << 20, 8 << 20)
    result = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    assert result.returncode == 2
    assert "training.safetensors: cannot be written (File too large)" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "run/log.jsonl").exists()
    assert run("--resume", "--run", "run", cwd=tmp_path).returncode == 0
    assert log_of(tmp_path / "run") == [("evaluation", 4), ("evaluation", 6), ("test", 6)]


def log_of(folder: Path) -> list[tuple[str, int]]:
    return [(record["kind"], record["step"]) for record in map(json.loads, (folder / "log.jsonl").open())]


def test_resuming_a_finished_run_repeats_only_the_final_test(finished: Path, tmp_path: Path):
    shutil.copytree(finished, tmp_path / "run")
    before = (tmp_path / "run/checkpoints/training.safetensors").read_bytes()
    assert run("--resume", "--run", "run", cwd=tmp_path).returncode == 0
    assert log_of(tmp_path / "run") == log_of(finished)
    assert (tmp_path / "run/checkpoints/training.safetensors").read_bytes() == before
    assert (tmp_path / "run/samples.txt").read_text() == (finished / "samples.txt").read_text()


def test_a_killed_run_begins_again_where_its_state_was_saved(corpus: Path, tmp_path: Path):
    """A run killed before its first evaluation has saved only step 0: the resumed run, and its log, start again."""
    command = [sys.executable, "-u", str(ROOT / "train.py"), "--data", str(corpus), *SMALL, "--run", "run"]
    command += ["--steps", "25", "--evaluate-every", "25"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("step 10 "):
                process.kill()
                break
    assert run("--resume", "--run", "run", cwd=tmp_path).returncode == 0
    assert log_of(tmp_path / "run") == [("step", 10), ("step", 20), ("evaluation", 25), ("test", 25)]


def test_a_huge_validation_loss_is_a_gap_and_the_run_goes_on(corpus: Path, tmp_path: Path):
    """exp of it overflows, so there is no perplexity; neither then nor after --resume is that an error."""
    huge = ["--rate-scale", 3000, "--warmup", 3, "--evaluate-every", 1]
    options = ["--data", corpus, *SMALL, *huge, "--steps", 4, "--run", "run"]
    result = run(*options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    evaluations = [json.loads(line) for line in (tmp_path / "run/log.jsonl").open() if '"evaluation"' in line]
    assert any(record["loss"] > 709 and record["perplexity"] is None for record in evaluations)
    assert max(map(len, result.stdout.splitlines())) < 250
    result = run("--resume", "--run", "run", "--steps", 5, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert log_of(tmp_path / "run")[-1] == ("test", 5)


def test_another_text_is_not_the_same_run(corpus: Path, finished: Path, tmp_path: Path):
    shutil.copytree(finished, tmp_path / "run")
    changed = tmp_path / "numbers.tsv"
    changed.write_text(corpus.read_text(encoding="utf-8").replace("nine", "ten", 1), encoding="utf-8")
    config = tmp_path / "run/config.json"
    config.write_text(config.read_text().replace(str(corpus), str(changed)))
    result = run("--resume", "--run", "run", "--steps", 12, cwd=tmp_path)
    assert result.returncode == 2
    assert "training text is not the one this run began with" in result.stderr


def test_early_stopping_ends_a_run_for_good(corpus: Path, tmp_path: Path):
    """With a tiny learning rate after a huge one the validation loss soon stops falling."""
    options = ["--data", corpus, *SMALL, "--rate-scale", 30, "--patience", 1, "--epochs", 40, "--evaluate-every", 2]
    result = run(*options, "--run", "run", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "early stop: 1 evaluation without" in result.stdout
    steps = log_of(tmp_path / "run")[-1][1]
    assert steps < 400
    assert run("--resume", "--run", "run", cwd=tmp_path).returncode == 0
    assert log_of(tmp_path / "run")[-1][1] == steps


def test_overlong_sentences_are_left_out_everywhere(corpus: Path, tmp_path: Path):
    lines = corpus.read_text(encoding="utf-8").split("\n")[:-1]
    long = "nine " * 1500 + "\t" + "neun " * 1500
    (tmp_path / "valid.tsv").write_text("\n".join([long, *lines[:20]]) + "\n", encoding="utf-8")
    (tmp_path / "train.tsv").write_text("\n".join([long, *lines[20:]]) + "\n", encoding="utf-8")
    options = ["--data", "train.tsv", "--validation", "valid.tsv", *SMALL, "--steps", 2, "--run", "run"]
    result = run(*options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "1 of 281 training pairs left out" in result.stdout
    assert "1 of 21 validation pairs left out" in result.stdout


def test_max_length_bounds_training_only(corpus: Path, tmp_path: Path):
    """Validation and test are translated whole, and the log says how many sentences that were."""
    options = ["--data", corpus, *SMALL, "--max-length", 7, "--steps", 2, "--run", "run"]
    result = run(*options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert re.search(r"\d+ of 288 training pairs left out: longer than 7 tokens \(--max-length\)", result.stdout)
    assert "test pairs left out" not in result.stdout
    assert "validation pairs left out" not in result.stdout
    assert re.search(r"BLEU \S+, chrF \S+, exact \d+% of 6  ", result.stdout)
    assert re.search(r"^test: BLEU .*, exact sentences \S+% of 6$", result.stdout, re.MULTILINE)
    records = [json.loads(line) for line in (tmp_path / "run/log.jsonl").open()]
    assert [record["sentences"] for record in records if record["kind"] in ("evaluation", "test")] == [6, 6]


def test_careless_typing_is_tested_too(tmp_path: Path):
    """The same test sentences with a small first letter and without their final mark, where that changes them."""
    numbers = ["One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten"]
    lines = [f"{a} and {b.lower()}.\t{a}, {b}!" for a in numbers for b in numbers]
    (tmp_path / "own.tsv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "valid.tsv").write_text("One or two.\tOne; two.\nthree or four\tThree; four.\n", encoding="utf-8")
    options = ["--data", "own.tsv", "--validation", "valid.tsv", *SMALL, "--steps", 2, "--run", "run"]
    result = run(*options, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^    first letter small: BLEU \S+, exact \S+% of 1$", result.stdout, re.MULTILINE)
    assert re.search(r"^    without final mark: BLEU \S+, exact \S+% of 1$", result.stdout, re.MULTILINE)
    further = json.loads((tmp_path / "run/log.jsonl").read_text().splitlines()[-1])["further"]
    assert {name: found["sentences"] for name, found in further.items()} == {
        "first letter small": 1,
        "without final mark": 1,
    }
    assert "source     one or two." in (tmp_path / "run/samples.txt").read_text()


def test_a_text_of_ones_own_gets_options_that_suit_it(tmp_path: Path):
    """A hundred pairs make several updates an epoch and a short warmup, which are said and recorded."""
    lines = [f"{a} plus {b}\t{b} und {a}" for a in range(10) for b in range(10)]
    (tmp_path / "own.tsv").write_text("\n".join(lines), encoding="utf-8")
    result = run("--data", "own.tsv", "--steps", 60, "--workers", 1, "--run", "run", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    said = re.search(r"chosen to suit \d+ training pairs: (.*)", result.stdout)[1]
    options = json.loads((tmp_path / "run/config.json").read_text())["options"]
    for name, value in re.findall(r"--(\S+) (\S+)", said):
        assert float(value) == options[name.replace("-", "_")]
    assert (options["batch_tokens"], options["warmup"], options["epochs"]) == (256, 15, None)
    assert run("--resume", "--run", "run", "--steps", 61, cwd=tmp_path).returncode == 0


def test_batches_that_do_not_suit_are_trained_on_and_said(corpus: Path, tmp_path: Path):
    """A batch smaller than one sentence, and more workers than a batch has sentences."""
    options = ["--data", corpus, "--vocabulary", 300, "--batch-tokens", 16, "--workers", 6, "--steps", 3]
    result = run(*options, "--run", "run", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert re.search(
        r"\d+ of \d+ training pairs (is|are) longer than --batch-tokens 16 \(the longest: \d+\)", result.stdout
    )
    assert re.search(r"\d+ of \d+ batches have fewer sentences than the 6 workers", result.stdout)
    assert "6 worker(s), each on " in result.stdout


def test_a_pinned_blas_kernel_is_said_at_the_start(corpus: Path, tmp_path: Path):
    machine = (
        "import numpy_transformer.training.reporting as t; t.processor_features = lambda: {'X86_V3', 'X86_V4'}; "
        "t.blas_pools = lambda: [dict(internal_api='openblas', version='0', architecture='Haswell', num_threads=1)]; "
        "import sys, train; sys.exit(train.main())"
    )
    arguments = ["--data", corpus, *SMALL, "--steps", 1, "--run", tmp_path / "run"]
    result = subprocess.run(
        [sys.executable, "-c", machine, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "OPENBLAS_CORETYPE": "Haswell"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("OPENBLAS_CORETYPE=Haswell pins it: unset that variable") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on memory that the system keeps")
@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (["--preset", "big"], r"Unable to allocate \d+\. MiB for an array with shape \(\d+,\)"),  # all parameters
        (["--batch-tokens", 200_000], r"Unable to allocate .* MiB for an array"),  # in a worker, in a layer
    ],
)
def test_out_of_memory_is_one_line_with_the_size_and_the_options(options, asked, tmp_path: Path):
    words = ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
    rng = random.Random(0)
    lines = {" ".join(rng.choices(words, k=12)) for _ in range(10_000)}
    (tmp_path / "long.tsv").write_text("".join(f"{line}\t{line}\n" for line in sorted(lines)), encoding="utf-8")
    limit = 2**30  # bytes of addresses; the libraries take less than half

    def limit_memory() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    command = [sys.executable, str(ROOT / "train.py"), "--data", "long.tsv", "--vocabulary", "300", "--workers", "2"]
    result = subprocess.run(
        [*command, *map(str, options)],
        cwd=tmp_path,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # each would reserve memory of its own
        preexec_fn=limit_memory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    last = result.stderr.splitlines()[-1]
    assert re.search(r"^train.py: out of memory \(" + asked, last)
    for option in ("--batch-tokens", "--max-length", "--workers", "--recompute"):
        assert option in last


def test_a_terminal_that_knows_only_ascii(corpus: Path, tmp_path: Path):
    command = [sys.executable, str(ROOT / "train.py"), "--data", str(corpus), *SMALL, "--steps", "2", "--run", "run"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr


def test_minutes_end_a_run(corpus: Path, tmp_path: Path):
    result = run("--data", corpus, *SMALL, "--warmup", 10**6, "--minutes", 0.05, "--run", "run", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "the time was up after" in result.stdout
    samples = [line for line in result.stdout.split("\n") if " -> " in line]
    assert samples
    assert max(map(len, samples)) <= 204
    assert log_of(tmp_path / "run")[-1][0] == "test"
