"""Telephone tones (DTMF, ITU-T Q.23), generated: the sound of a dialled number, and the keys that were pressed.

Each key sounds two pitches at once, that of its row and that of its column:

             1209 Hz   1336 Hz   1477 Hz
    697 Hz      1         2         3
    770 Hz      4         5         6
    852 Hz      7         8         9
    941 Hz      *         0         #

How long, how loud, how far apart, in how much noise: all is drawn anew for each sound, from
(seed, part, epoch, number).
"""

from functools import partial

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.sound.augmentation import with_noise
from numpy_transformer.data.sound.features import FeatureSettings
from numpy_transformer.data.sound.sound_corpus import PlannedSound, SoundCorpus, Utterance

ROWS, COLUMNS = (697, 770, 852, 941), (1209, 1336, 1477)  # Hz
KEYS = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#")
FEWEST, MOST = 2, 5  # keys in a number
PRESSED, PAUSE = (0.05, 0.2), (0.04, 0.2)  # seconds; exchanges must accept 40 ms of each
LOUDNESS = (0.02, 0.3)
NOISE = (3.0, 30.0)  # decibels below the tones
OFF = 0.015  # relative error of a frequency, as exchanges must accept it
TRAINING_SOUNDS, VALIDATION_SOUNDS, TEST_SOUNDS = 4000, 200, 500  # of an epoch; once and for all


def load_tones(seed: int) -> SoundCorpus:
    """Dialled numbers without end for training; validation and test are the same ones for the same seed."""
    settings = FeatureSettings()

    def part(number: int, count: int) -> list[Utterance]:
        plans = [planned_number((seed, number, 0, i), settings.rate) for i in range(count)]
        return [Utterance(plan.make(), plan.text) for plan in plans]

    return SoundCorpus(
        name="tones",
        settings=settings,
        words=KEYS,
        plan=lambda epoch: [planned_number((seed, 0, epoch, i), settings.rate) for i in range(TRAINING_SOUNDS)],
        validation={"numbers": part(1, VALIDATION_SOUNDS)},
        tests={"numbers": part(2, TEST_SOUNDS)},
    )


def planned_number(key: tuple[int, ...], rate: int) -> PlannedSound:
    """A dialled number, drawn from `key`."""
    rng = np.random.default_rng(key)
    keys = rng.integers(0, len(KEYS), rng.integers(FEWEST, MOST + 1))
    pressed = (rng.uniform(*PRESSED, len(keys)) * rate).astype(int)
    pauses = (rng.uniform(*PAUSE, len(keys) + 1) * rate).astype(int)
    text = " ".join(KEYS[i] for i in keys)
    return PlannedSound(int(pressed.sum() + pauses.sum()), text, partial(_dialled, keys, pressed, pauses, key, rate))


def tone(key: int, samples: int, rate: int, rng: np.random.Generator) -> Array:
    """The two pitches of KEYS[key], each a little off, from phases and with strengths of their own."""
    row, column = divmod(key, len(COLUMNS))
    frequencies = np.array([ROWS[row], COLUMNS[column]]) * rng.uniform(1 - OFF, 1 + OFF, 2)
    phases, strengths = rng.uniform(0, 2 * np.pi, (2, 1)), rng.uniform(0.6, 1, 2)
    angles = phases + np.outer(2 * np.pi * frequencies, np.arange(samples) / rate)
    return strengths.astype(np.float32) @ np.sin(angles.astype(np.float32))


def _dialled(keys: Array, pressed: Array, pauses: Array, key: tuple[int, ...], rate: int) -> Array:
    rng = np.random.default_rng((*key, 1))
    parts = [np.zeros(pauses[0], dtype=np.float32)]
    for i, samples, pause in zip(keys.tolist(), pressed.tolist(), pauses[1:].tolist(), strict=True):
        parts += [tone(i, samples, rate, rng), np.zeros(pause, dtype=np.float32)]
    sound = np.concatenate(parts) * np.float32(np.exp(rng.uniform(*np.log(LOUDNESS))))
    return with_noise(sound, rng, below=NOISE)
