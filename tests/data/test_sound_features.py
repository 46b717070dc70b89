"""From samples to feature vectors: the filter bank, the log-mel spectrogram, stacking."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from small_sounds import note

from numpy_transformer import InputError
from numpy_transformer.data.sound.augmentation import at_speed, length_at_speed, masked, with_noise
from numpy_transformer.data.sound.features import SILENCE, FeatureSettings, features_of, log_mel, stack_frames
from numpy_transformer.data.sound.mel import hertz_of_mel, mel_corners, mel_filter_bank, mel_of_hertz

SETTINGS = FeatureSettings()


def test_the_mel_scale():
    """1,000 Hz is 1,000 mel; the scale is inverted exactly; equal steps are wider the higher they are."""
    assert mel_of_hertz(1000.0) == pytest.approx(1000, abs=0.1)
    frequencies = np.array([0.0, 50.0, 440.0, 4000.0])
    np.testing.assert_allclose(hertz_of_mel(mel_of_hertz(frequencies)), frequencies, atol=1e-9)
    assert (np.diff(mel_corners(40, 8000), 2) > 0).all()


def test_the_filter_bank_by_hand():
    """Two filters over 0, 1, 2, 3, 4 kHz: the corners are 0, 921, 2,074 ... and 4,000 Hz."""
    corners = mel_corners(2, 8000)
    bank = mel_filter_bank(2, 8, 8000)
    assert bank.shape == (5, 2)
    low, peak, high, end = corners
    assert (low, end) == (0, pytest.approx(4000))
    rising, falling = 1000 / peak, (high - 1000) / (high - peak)
    assert bank[1, 0] == pytest.approx(min(rising, falling), rel=1e-5)
    assert bank[2, 1] == pytest.approx(min((2000 - peak) / (high - peak), (end - 2000) / (end - high)), rel=1e-5)
    assert bank[0].tolist() == [0, 0]
    assert bank[4].tolist() == [0, 0]


def test_every_pitch_hears_something_and_neighbours_share_each_frequency():
    bank = mel_filter_bank(SETTINGS.pitches, SETTINGS.transform, SETTINGS.rate)
    assert (bank.sum(axis=0) > 0.5).all()
    corners = mel_corners(SETTINGS.pitches, SETTINGS.rate)
    frequencies = np.arange(len(bank)) * SETTINGS.rate / SETTINGS.transform
    inside = (frequencies >= corners[1]) & (frequencies <= corners[-2])
    np.testing.assert_allclose(bank[inside].sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 2500.0])
def test_a_tone_is_loudest_at_its_pitch(frequency):
    spectrogram = log_mel(note(frequency, 0.3), SETTINGS)
    peaks = mel_corners(SETTINGS.pitches, SETTINGS.rate)[1:-1]
    assert abs(spectrogram.mean(axis=0).argmax() - abs(peaks - frequency).argmin()) <= 1
    assert spectrogram.max() == 2
    assert spectrogram.min() >= SILENCE
    assert spectrogram.dtype == np.float32


def test_the_spectrogram_is_the_formula():
    """One frame, with the Fourier transform as a sum."""
    samples = np.random.default_rng(0).standard_normal(SETTINGS.window).astype(np.float32)
    n, k = np.arange(SETTINGS.window), np.arange(SETTINGS.transform // 2 + 1)
    windowed = samples * (0.5 - 0.5 * np.cos(2 * np.pi * n / (SETTINGS.window - 1)))
    power = abs(np.exp(-2j * np.pi * np.outer(k, n) / SETTINGS.transform) @ windowed) ** 2
    loudness = np.log(power @ mel_filter_bank(SETTINGS.pitches, SETTINGS.transform, SETTINGS.rate))
    expected = np.maximum(loudness - loudness.max(), -6 * np.log(10)) * 4 / (6 * np.log(10)) + 2
    np.testing.assert_allclose(log_mel(samples, SETTINGS)[0], expected, atol=1e-4)


def test_farther_away_sounds_the_same():
    samples = note(440, 0.2) + 0.01 * np.random.default_rng(0).standard_normal(1600, dtype=np.float32)
    np.testing.assert_allclose(log_mel(samples / 8, SETTINGS), log_mel(samples, SETTINGS), atol=1e-4)


@pytest.mark.parametrize("samples", [1, 100, 200, 201, 280, 281, 520, 521, 8000])
def test_lengths_are_known_before_the_features_are_made(samples):
    vectors = features_of(note(440, samples / 8000)[:samples], SETTINGS)
    assert len(vectors) == SETTINGS.positions(samples)
    assert vectors.shape[1] == SETTINGS.size == 320


def test_every_sample_is_heard():
    """A click at the very end makes a difference."""
    quiet = 0.01 * np.random.default_rng(0).standard_normal(1234).astype(np.float32)
    loud = quiet.copy()
    loud[-60] = 1
    assert not np.array_equal(log_mel(loud, SETTINGS)[-1], log_mel(quiet, SETTINGS)[-1])


def test_stacked_frames_stand_side_by_side_and_the_rest_is_silence():
    frames = np.arange(5 * 40, dtype=np.float32).reshape(5, 40)
    silent = np.full(40, SILENCE, dtype=np.float32)
    vectors = stack_frames(frames, SETTINGS)  # frames -2 to 5, then 2 to 9
    assert vectors.shape == (2, 320)
    np.testing.assert_array_equal(vectors[0], np.concatenate([silent, silent, *frames, silent]))
    np.testing.assert_array_equal(vectors[1], np.concatenate([*frames[2:], *[silent] * 5]))
    apart = FeatureSettings(stacked=4)
    np.testing.assert_array_equal(stack_frames(frames, apart)[0], np.concatenate(frames[:4]))


def test_no_sound_has_a_vector_that_means_padding():
    """Not even one without a sound, or one that augmentation silences."""
    rng = np.random.default_rng(0)
    nothing = np.zeros(4000, np.float32)
    for samples in (nothing, note(440, 1), np.concatenate([nothing, note(50, 1)])):
        for _ in range(20):
            frames = masked(log_mel(samples, SETTINGS), rng, SETTINGS)
            assert (stack_frames(frames, SETTINGS) != 0).any(axis=1).all()


def test_settings_are_read_back_and_damage_is_named(tmp_path):
    file = tmp_path / "features.json"
    file.write_text(json.dumps(asdict(SETTINGS)))
    assert FeatureSettings.read(file) == SETTINGS
    for broken, said in (('{"rate": 0}', "rate is 0"), ('{"tempo": 3}', "tempo"), ("[1]", "not a JSON object")):
        file.write_text(broken)
        with pytest.raises(InputError, match=said) as caught:
            FeatureSettings.read(file)
        assert str(file) in str(caught.value)
    with pytest.raises(InputError, match="window is 300; it must be at most transform"):
        FeatureSettings(window=300)
    with pytest.raises(InputError, match="stride is 9; it must be at most stacked"):
        FeatureSettings(stride=9)


# --- Augmentation ---


def test_speed_changes_length_and_pitch():
    samples = note(400, 0.5)
    faster = at_speed(samples, 1.1)
    assert len(faster) == length_at_speed(len(samples), 1.1) == round(4000 / 1.1)
    spectrum = abs(np.fft.rfft(faster, 8000))
    assert spectrum.argmax() == pytest.approx(440, abs=2)


def test_noise_is_as_far_below_as_it_says():
    samples = note(400, 2)
    noise = with_noise(samples, np.random.default_rng(0), below=(20, 20)) - samples
    assert 10 * np.log10(np.mean(samples**2) / np.mean(noise**2)) == pytest.approx(20, abs=0.3)


def test_masks_silence_a_band_and_pieces_and_leave_the_rest():
    frames = np.ones((80, 40), dtype=np.float32)
    kept = frames.copy()
    found = masked(frames, np.random.default_rng(4), SETTINGS)
    np.testing.assert_array_equal(frames, kept)
    silent = found == SILENCE
    assert silent.any()
    assert (found[~silent] == 1).all()
    bands, pieces = silent.all(axis=0), silent.all(axis=1)
    np.testing.assert_array_equal(silent, bands[None, :] | pieces[:, None])
    assert bands.sum() <= 6
    assert pieces.sum() <= 12
