"""Telephone tones, spoken digits and strings of them: what is drawn, and that no part hears another."""

import shutil
import tarfile

import numpy as np
import pytest
from real_data import real_data
from small_sounds import note, write_digits, write_sound

from numpy_transformer import InputError
from numpy_transformer.data.sound.digit_strings import load_spoken_digits, strings_of
from numpy_transformer.data.sound.known_sounds import tokenizer_for_sounds
from numpy_transformer.data.sound.sound_batches import TextIds, fixed_batches, training_batches
from numpy_transformer.data.sound.spoken_digits import WORDS, read_recordings
from numpy_transformer.data.sound.tones import COLUMNS, KEYS, ROWS, load_tones, planned_number, tone


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("digits"))


# --- Tones ---


@pytest.mark.parametrize("key", range(12))
def test_a_key_sounds_the_pitches_of_its_row_and_its_column(key):
    samples = tone(key, 8000, 8000, np.random.default_rng(key))
    strengths = abs(np.fft.rfft(samples))
    low, high = strengths[:1075].argmax(), 1075 + strengths[1075:].argmax()
    assert low == pytest.approx(ROWS[key // 3], rel=0.02)
    assert high == pytest.approx(COLUMNS[key % 3], rel=0.02)


def test_a_number_is_a_function_of_its_key():
    plans = [planned_number((1, 0, 0, number), 8000) for number in (5, 5, 6)]
    sounds = [plan.make() for plan in plans]
    np.testing.assert_array_equal(sounds[0], sounds[1])
    assert plans[0].text == plans[1].text
    assert len(sounds[2]) != len(sounds[0])
    for plan, sound in zip(plans, sounds, strict=True):
        assert len(sound) == plan.length
        assert sound.dtype == np.float32
        assert 2 <= len(plan.text.split()) <= 5
        assert set(plan.text.split()) <= set(KEYS)


def test_every_epoch_and_part_of_tones_is_new():
    corpus = load_tones(seed=3)
    first, second = ([plan.make()[:100].tobytes() for plan in corpus.plan(epoch)[:50]] for epoch in (0, 1))
    [valid], [test] = corpus.validation.values(), corpus.tests.values()
    others = [u.samples[:100].tobytes() for u in (*valid[:50], *test[:50])]
    assert len({*first, *second, *others}) == 200


# --- Spoken digits ---


def test_strings_are_of_one_speaker_and_hold_each_recording_once(folder):
    recordings = read_recordings(folder, 8000)
    assert len(recordings) == 220
    strings = strings_of(recordings, np.random.default_rng(0))
    assert all(2 <= len(string) <= 5 for string in strings)
    assert all(len({recording.speaker for recording in string}) == 1 for string in strings)
    assert sorted((r.digit, r.speaker, r.take) for s in strings for r in s) == [r[:3] for r in recordings]
    assert len({len(string) for string in strings}) == 4


def test_the_parts_share_no_recording(folder):
    """Each take of the small data has a length of its own, by which it is found again."""
    corpus = load_spoken_digits(folder, seed=0)
    singles = {name: part["single digits"] for name, part in (("v", corpus.validation), ("t", corpus.tests))}
    lengths = {name: {len(u.samples) for u in part} for name, part in singles.items()}
    assert lengths["t"] == {int(8000 * (0.1 + 0.005 * take)) for take in range(5)}
    assert lengths["v"] == {int(8000 * (0.1 + 0.005 * take)) for take in range(5, 10)}
    strings = sum(len(plan.text.split()) for plan in corpus.plan(0)) / 20  # 20 training recordings
    assert strings == 4  # once alone, three times in a string
    assert corpus.notes == ("20 recordings to learn from, 100 for validation, 100 to test",)


def test_validation_and_test_are_the_same_for_every_seed_and_training_is_not(folder):
    one, other = (load_spoken_digits(folder, seed=seed).digests() for seed in (0, 1))
    assert one["validation sounds"] == other["validation sounds"]
    assert one["test sounds"] == other["test sounds"]
    assert one["training sounds"] != other["training sounds"]
    assert load_spoken_digits(folder, seed=0).digests() == one


def test_a_planned_sound_has_its_length_and_is_made_the_same_each_time(folder):
    for plan in load_spoken_digits(folder, seed=0).plan(2)[::7]:
        sound = plan.make()
        assert len(sound) == plan.length
        np.testing.assert_array_equal(sound, plan.make())


def test_a_speaker_left_out_is_only_tested(folder):
    corpus = load_spoken_digits(folder, seed=0, leave_out="bert")
    assert len(corpus.plan(0)[0].make()) > 0
    assert corpus.notes == ("10 recordings to learn from, 50 for validation, 50 to test",)
    assert list(corpus.tests) == [
        "single digits",
        "strings",
        "single digits of bert, never heard",
        "strings of bert, never heard",
    ]
    assert len(corpus.tests["single digits of bert, never heard"]) == 110
    with pytest.raises(InputError, match="--leave-out carl: there is no such speaker; there are anna, bert"):
        load_spoken_digits(folder, seed=0, leave_out="carl")


@pytest.mark.parametrize("place", ["", "recordings", "spoken-digits", "spoken-digits/recordings"])
def test_wherever_the_recordings_are(folder, tmp_path, place):
    shutil.copytree(folder, tmp_path / place, dirs_exist_ok=True)
    (tmp_path / place / "notes.wav").write_bytes(b"not one of them")
    assert len(read_recordings(tmp_path, 8000)) == 220


def test_an_archive_is_read_as_a_folder_is(folder, tmp_path):
    with tarfile.open(tmp_path / "recordings.tar.xz", "w:xz") as tar:
        for file in sorted(folder.glob("[01]_*.wav"), reverse=True):
            tar.add(file, f"recordings/{file.name}")
    archived = read_recordings(tmp_path, 8000)
    loose = read_recordings(folder, 8000)[: len(archived)]
    assert len(archived) == 44
    for one, other in zip(archived, loose, strict=True):
        assert one[:3] == other[:3]
        np.testing.assert_array_equal(one.samples, other.samples)


def test_bad_folders_are_named_with_the_remedy(folder, tmp_path):
    with pytest.raises(InputError, match="--data spoken-digits needs its recordings: git clone https"):
        read_recordings(None, 8000)
    with pytest.raises(InputError, match="holds no recordings named like 7_theo_12"):
        read_recordings(tmp_path, 8000)
    (tmp_path / "recordings.tar.xz").write_bytes(b"\xfd7zXZ\x00 cut off")
    with pytest.raises(InputError, match=r"recordings\.tar\.xz: is damaged or no archive"):
        read_recordings(tmp_path, 8000)
    write_sound(tmp_path / "3_anna_0.wav", note(300, 0.1))
    (tmp_path / "3_anna_1.wav").write_bytes(b"RIFF")
    with pytest.raises(InputError, match=r"3_anna_1\.wav: is not a sound file"):
        read_recordings(tmp_path, 8000)
    for file in tmp_path.iterdir():
        file.unlink()
    for file in folder.glob("*_[0-4].wav"):
        shutil.copy(file, tmp_path)
    with pytest.raises(InputError, match="no recording has an index of 10 and above"):
        load_spoken_digits(tmp_path, seed=0)


def test_the_real_recordings():
    corpus = load_spoken_digits(real_data("spoken-digits"), seed=0)
    assert corpus.notes == ("2,400 recordings to learn from, 300 for validation, 300 to test",)
    assert sum(len(u.text.split()) for u in corpus.tests["strings"]) == 300


# --- Tokens and batches ---


@pytest.mark.parametrize("words", [WORDS, KEYS])
def test_every_word_is_one_token(words):
    corpus = load_tones(seed=0)
    object.__setattr__(corpus, "words", words)
    tokenizer = tokenizer_for_sounds(corpus, 300 if words is WORDS else 271)
    assert [len(tokenizer.encode(word)) for word in words] == [1] * len(words)
    assert len(tokenizer.encode(" ".join(words))) == len(words)


def test_batches_hold_every_sound_once_and_shards_are_trimmed(folder):
    corpus = load_spoken_digits(folder, seed=0)
    tokenizer = tokenizer_for_sounds(corpus, 300)
    ids = TextIds(tokenizer.encode, 0, 1, 2)
    utterances = [u for group in corpus.validation.values() for u in group]
    batches = fixed_batches(utterances, corpus, ids, 300)
    assert sum(len(batch.target) for batch in batches) == len(utterances)
    assert all(batch.size <= 300 or len(batch.target) == 1 for batch in batches)
    for batch in batches:
        shards = batch.shards(2, 0)
        assert sum(shard.token_count for shard in shards) == batch.token_count
        for shard in shards:
            assert (shard.source[:, -1] != 0).any()
            assert (shard.target[:, -1] != 0).any()
        np.testing.assert_array_equal(shards[0].source[0], batch.source[0, : shards[0].source.shape[1]])


def test_training_batches_can_be_entered_anywhere(folder):
    corpus = load_spoken_digits(folder, seed=0)
    ids = TextIds(tokenizer_for_sounds(corpus, 300).encode, 0, 1, 2)
    stream = training_batches(corpus, ids, 300, seed=0, start=0)
    first = [next(stream) for _ in range(12)]
    later = training_batches(corpus, ids, 300, seed=0, start=9)
    for epoch, batch in first[9:]:
        other_epoch, other = next(later)
        assert epoch == other_epoch
        np.testing.assert_array_equal(batch.source, other.source)
        np.testing.assert_array_equal(batch.target, other.target)
    assert first[0][0] == 0
    assert first[-1][0] > 0
