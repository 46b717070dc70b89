"""Reading sound files: formats, rates, channels, and what is refused with one line."""

import numpy as np
import pytest
from small_sounds import note, write_sound

from numpy_transformer import InputError
from numpy_transformer.data.sound.audio_file import read_samples


def read(path, **options):
    return read_samples(path, 8000, **{"longest": 40.0, **options})


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
def test_formats(tmp_path, ending):
    samples = note(440, 0.5)
    found = read(write_sound(tmp_path / f"a.{ending}", samples))
    assert found.dtype == np.float32
    assert len(found) == len(samples)
    np.testing.assert_allclose(found, samples, atol=1e-4 if ending != "ogg" else 0.05)


def test_the_content_of_a_file_is_read_as_the_file(tmp_path):
    path = write_sound(tmp_path / "a.wav", note(440, 0.5))
    np.testing.assert_array_equal(read(path.read_bytes(), name="b.wav"), read(path))


def test_channels_are_averaged(tmp_path):
    left, right = note(440, 0.3), note(880, 0.3)
    stereo = write_sound(tmp_path / "stereo.wav", np.stack([left, right], axis=1), subtype="FLOAT")
    np.testing.assert_allclose(read(stereo), (left + right) / 2, atol=1e-7)


@pytest.mark.parametrize("rate", [16000, 44100, 11025])
def test_other_rates_are_resampled(tmp_path, rate):
    found = read(write_sound(tmp_path / "a.wav", note(440, 1.0, rate), rate))
    assert abs(len(found) - 8000) <= 1
    assert abs(np.fft.rfft(found, 8000)).argmax() == 440


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros(4000, np.float32), "is silent: record it again"),
        (np.full(4000, 0.25, np.float32), "is silent"),
        (note(440, 0.01), "holds 80 samples, which is too short to hear"),
        (np.zeros(0, np.float32), "holds 0 samples"),
        (np.full(4000, np.nan, np.float32), "not finite numbers"),
    ],
)
def test_sounds_without_anything_to_hear(tmp_path, samples, said):
    path = write_sound(tmp_path / "a.wav", samples, subtype="FLOAT")
    with pytest.raises(InputError, match=said) as caught:
        read(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_ten_minutes_are_refused_before_they_are_read(tmp_path, monkeypatch):
    import soundfile

    path = write_sound(tmp_path / "long.wav", np.zeros(8000 * 600, np.int16))
    monkeypatch.setattr(soundfile.SoundFile, "read", None)  # whoever reads, fails
    with pytest.raises(InputError, match=r"long\.wav: lasts 600\.0 s; a model takes at most 40\.0 s: cut it"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"hello there, this is text\n" * 50, bytes(range(256)) * 20])
def test_what_is_no_sound_file(tmp_path, content):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.wav: is not a sound file \(.*\): give a WAV, FLAC or OGG file") as caught:
        read(tmp_path / "a.wav")
    assert "\n" not in str(caught.value)


def test_what_is_not_there(tmp_path):
    with pytest.raises(InputError, match=r"none\.wav: no such file"):
        read(tmp_path / "none.wav")
    with pytest.raises(InputError, match="is a folder: name the files in it"):
        read(tmp_path)
