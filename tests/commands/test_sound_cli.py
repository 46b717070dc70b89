"""The programs on sounds: train, stop and resume, write what files say, draw attention; and invalid uses."""

import json

import numpy as np
import pytest
from small_sounds import SIZES, STEPS, note, train_with, write_digits, write_sound

import numpy_transformer as nt
from numpy_transformer.commands import translate
from numpy_transformer.data.sound import tones
from numpy_transformer.data.sound.audio_file import read_samples
from numpy_transformer.storage.tensors import load_tensors
from numpy_transformer.tasks.transcription import Transcriber

PNG = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("digits"), digits=3)


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    """Twelve steps on spoken digits, with a speaker left out."""
    path = tmp_path_factory.mktemp("runs") / "digits"
    assert train_with(*options(digits), "--steps", 12, "--run", path) == 0
    return path


@pytest.fixture(scope="module")
def text_run(tmp_path_factory):
    from small_run import write_model

    return write_model(tmp_path_factory.mktemp("runs") / "words")


def options(digits):
    return ["--data", "spoken-digits", "--data-dir", digits, "--leave-out", "bert", *SIZES, *STEPS]


def weights(run):
    tensors, _ = load_tensors(run / "checkpoints" / "training.safetensors")
    return np.concatenate([tensors[name].reshape(-1) for name in sorted(tensors)])


def transcribe(*arguments):
    translate.translate(translate.parse_arguments([*map(str, arguments)]))


@pytest.fixture
def sounds(tmp_path):
    return [write_sound(tmp_path / f"{number}.wav", note(200 + 100 * number, 0.4)) for number in range(3)]


# --- Training ---


def test_a_resumed_run_equals_one_that_was_never_stopped(digits, run, tmp_path):
    """Bit for bit: weights and moments; also with layers that compute their caches twice."""
    assert train_with(*options(digits), "--run", tmp_path / "run", "--steps", 8, "--recompute") == 0
    assert train_with("--resume", "--run", tmp_path / "run", "--steps", 12) == 0
    np.testing.assert_array_equal(weights(tmp_path / "run"), weights(run))


def test_a_run_leaves_what_every_run_leaves_and_how_it_hears(run):
    for file in ("log.jsonl", "curves.png", "samples.txt", "tokenizer.json", "checkpoints/best.safetensors"):
        assert (run / file).is_file(), file
    assert json.loads((run / "features.json").read_text())["rate"] == 8000
    assert json.loads((run / "config.json").read_text())["options"]["model"] == "sound"


def test_a_run_has_a_sound_to_try_it_with(run, capsysbinary):
    """The first validation string: at least two notes and a pause."""
    assert len(read_samples(run / "sample.wav", 8000, longest=10)) > 2000
    transcribe("--audio", run / "sample.wav", "--model", run)
    assert capsysbinary.readouterr().out.endswith(b"\n")


def test_each_group_of_the_test_is_reported(run):
    [record] = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines() if '"test"' in line]
    assert set(record["groups"]) == {
        "single digits",
        "strings",
        "single digits of bert, never heard",
        "strings of bert, never heard",
    }
    assert record["word_error_rate"] >= 0


def test_tones_need_nothing_and_python_trains_them_too(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part in ("TRAINING_SOUNDS", "VALIDATION_SOUNDS", "TEST_SOUNDS"):
        monkeypatch.setattr(tones, part, 30)
    losses = []
    found = nt.train(
        data="tones", steps=4, layers=1, d_model=16, d_ff=16, heads=2, batch_tokens=256, evaluate_every=4, warmup=4,
        callback=lambda step: losses.append(step.loss), workers=1,
    )  # fmt: skip
    assert len(losses) == 4
    assert all(np.isfinite(losses))
    assert Transcriber.load(found.folder).settings.rate == 8000


def test_the_sounds_of_a_resumed_run_must_be_the_same(digits, run, tmp_path):
    assert train_with(*options(digits), "--run", tmp_path / "run", "--steps", 4) == 0
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    for file in digits.glob("*.wav"):
        if not file.name.startswith("1_"):
            (fewer / file.name).write_bytes(file.read_bytes())
    with pytest.raises(nt.InputError, match="sounds is not the one this run began with"):
        train_with("--resume", "--run", tmp_path / "run", "--steps", 8, "--data-dir", fewer)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--data", "tones", "--model", "encoder-decoder"],
            "--data tones is sound, which a model of its own learns: leave --model and --from out",
        ),
        (
            ["--data", "tones", "--model", "decoder"],
            "--data tones is sound, which a model of its own learns: leave --model and --from out",
        ),
        (["--data", "tones", "--leave-out", "theo"], "only --data spoken-digits has speakers"),
        (["--leave-out", "theo"], "only --data spoken-digits has speakers"),
        (["--data", "spoken-digits"], "needs its recordings: git clone"),
        (["--data", "tones", "--from", "tatoeba"], "leave --model and --from out"),
    ],
)
def test_training_options_that_cannot_be(arguments, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nt.InputError, match=said):
        train_with(*arguments)
    assert not list(tmp_path.iterdir())


def test_only_sounds_are_heard():
    with pytest.raises(nt.InputError, match="--model sound hears --data tones or spoken-digits, not phrasebook"):
        nt.TrainingOptions.for_data({"model": "sound"})


# --- Writing what is said ---


def test_one_line_for_each_file_in_their_order(run, sounds, capsysbinary, tmp_path):
    transcribe("--audio", *sounds, "--model", run, "--scores")
    lines = capsysbinary.readouterr().out.decode().split("\n")
    assert len(lines) == 4
    assert all(float(line.split("\t")[0]) < 0 for line in lines[:3])
    transcribe("--audio", sounds[1], "--model", run, "--scores", "--output", tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text() == lines[1] + "\n"


def test_a_checkpoint_file_is_a_model_too(run, sounds, capsysbinary):
    transcribe("--audio", sounds[0], "--model", run / "checkpoints" / "best.safetensors", "--beam", "1")
    assert capsysbinary.readouterr().out.endswith(b"\n")


def test_the_attention_is_drawn(run, sounds, tmp_path, capsysbinary):
    transcribe("--audio", sounds[0], "--model", run, "--attention", tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)
    assert b"attention: " in capsysbinary.readouterr().err


def test_the_latest_run_that_hears_is_taken(run, text_run, sounds, tmp_path, monkeypatch, capsysbinary):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nt.InputError, match=r"no run of a model of the kind sound in runs/: python train\.py --data"):
        transcribe("--audio", sounds[0])
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "digits").symlink_to(run)
    (tmp_path / "runs" / "words").symlink_to(text_run)
    transcribe("--audio", sounds[0])
    capsysbinary.readouterr()
    transcribe("zero one")  # text is for the other
    assert b"shown" not in capsysbinary.readouterr().out


def test_each_model_says_what_it_is_for(run, text_run, sounds):
    with pytest.raises(
        nt.InputError, match=r"of the kind encoder-decoder: open it with nt\.Transformer, translate\.py$"
    ):
        transcribe("--audio", sounds[0], "--model", text_run)
    with pytest.raises(nt.InputError, match=r"of the kind encoder-decoder"):
        transcribe("--audio", sounds[0], "--model", "tatoeba")
    with pytest.raises(nt.InputError, match=r"of the kind sound: open it with .* translate\.py --audio$"):
        transcribe("zero one", "--model", run)


def test_nothing_is_written_unless_all_files_can_be_read(run, sounds, tmp_path, capsysbinary):
    (tmp_path / "bad.wav").write_bytes(b"no sound")
    with pytest.raises(nt.InputError, match=r"bad\.wav: is not a sound file"):
        transcribe("--audio", sounds[0], tmp_path / "bad.wav", "--model", run, "--output", tmp_path / "out.txt")
    assert not (tmp_path / "out.txt").exists()
    long = write_sound(tmp_path / "long.wav", np.ones(8000 * 600, np.int16))
    with pytest.raises(nt.InputError, match=r"long\.wav: lasts 600\.0 s; a model takes at most 40\.0 s"):
        transcribe("--audio", sounds[0], long, "--model", run)
    silent = write_sound(tmp_path / "silent.wav", np.zeros(8000, np.int16))
    with pytest.raises(nt.InputError, match=r"silent\.wav: is silent"):
        transcribe("--audio", silent, "--model", run)
    assert capsysbinary.readouterr().out == b""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--input", "x.txt"], "--input has no meaning with --audio"),
        (["--sample"], "--sample has no meaning with --audio"),
        (["--serve"], "--serve has no meaning with --audio"),
        (["--alignment", "x.txt"], "--alignment has no meaning"),
        (["--model", "a", "--model", "b"], "--audio takes one --model"),
        (["--attention", "a.html"], "drawn as .png"),
        (["--attention", "a.png"], "give --audio exactly one file"),
    ],
)
def test_options_without_a_meaning(more, said, sounds):
    with pytest.raises(nt.InputError, match=said):
        transcribe("--audio", *sounds, *more)


def test_a_run_without_its_features_file(run, sounds, tmp_path):
    import shutil

    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "features.json").unlink()
    with pytest.raises(nt.InputError, match=r"features\.json: No such file"):
        transcribe("--audio", sounds[0], "--model", tmp_path / "run")
