"""The same sound otherwise: faster or slower, in noise, with holes. A model that hears it so learns what matters.

    speed        played 10% slower to 10% faster, pitch included                    (Ko et al. 2015)
    noise        white noise, 20 to 50 dB below the sound
    masks        some pitches and some frames of the spectrogram are silenced       (SpecAugment, Park et al. 2019)

Everything is drawn from the generator that is given, so a sound is the same each time it is made.
"""

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.sound.features import SILENCE, FeatureSettings

SLOWEST, FASTEST = 0.9, 1.1
NOISE = (20.0, 50.0)  # decibels below the sound's power
WIDEST_MASK = 6  # pitches
LONGEST_MASK = 6  # frames
FRAMES_PER_MASK = 60


def length_at_speed(samples: int, speed: float) -> int:
    """How many samples are left of so many when they are played `speed` times as fast."""
    return max(1, round(samples / speed))


def at_speed(samples: Array, speed: float) -> Array:
    """(n,) -> (length_at_speed(n, speed),): read at other places, between two samples in proportion."""
    places = np.linspace(0, len(samples) - 1, length_at_speed(len(samples), speed))
    return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)


def with_noise(samples: Array, rng: np.random.Generator, *, below: tuple[float, float] = NOISE) -> Array:
    """White noise added, so many decibels below the sound's mean power."""
    power = float(np.mean(np.square(samples)))
    deviation = np.sqrt(power * 10 ** (-rng.uniform(*below) / 10))
    noise = rng.standard_normal(len(samples), dtype=np.float32)
    return samples + np.float32(deviation) * noise


def masked(frames: Array, rng: np.random.Generator, settings: FeatureSettings) -> Array:
    """A spectrogram (frames, pitches) with one band of pitches, and about one piece in every 60 frames, silenced."""
    frames = frames.copy()
    width = int(rng.integers(0, WIDEST_MASK + 1))
    low = rng.integers(0, settings.pitches - width + 1)
    frames[:, low : low + width] = SILENCE
    for _ in range(round(len(frames) / FRAMES_PER_MASK)):
        length = int(rng.integers(0, LONGEST_MASK + 1))
        start = rng.integers(0, max(1, len(frames) - length))
        frames[start : start + length] = SILENCE
    return frames
