"""Spoken digits as a corpus: each recording alone, and strings of two to five of one speaker joined with pauses.

In every epoch each training recording is heard once alone and three times in a string, in other company each time, and
altered as augmentation.py says. Validation and test strings are made of validation and test recordings only, always
the same ones.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.sound.augmentation import FASTEST, SLOWEST, at_speed, length_at_speed, with_noise
from numpy_transformer.data.sound.features import FeatureSettings
from numpy_transformer.data.sound.sound_corpus import PlannedSound, SoundCorpus, Utterance
from numpy_transformer.data.sound.spoken_digits import TEST, VALIDATION, WORDS, Recording, read_recordings
from numpy_transformer.errors import InputError

FEWEST, MOST = 2, 5  # digits in a string
TIMES_IN_STRINGS = 3  # that a recording is heard in an epoch: to find the next word is harder than to know one
PAUSE = (0.05, 0.4)  # seconds between two digits
EDGE = (0.0, 0.2)  # seconds before the first and after the last one
FAINT = 1e-3  # deviation of the noise in pauses, relative to the loudest sample: a room is never quite silent
FIXED = 2016  # seed of the strings that are the same for every run


def load_spoken_digits(data_directory: str | Path | None, *, seed: int, leave_out: str | None = None) -> SoundCorpus:
    """Recordings and strings of them. A speaker to `leave_out` is in no part but a test of their own.

    Raises InputError if the recordings cannot be read or there is no such speaker.
    """
    settings = FeatureSettings()
    recordings = read_recordings(data_directory, settings.rate)
    speakers = sorted({recording.speaker for recording in recordings})
    if leave_out is not None and leave_out not in speakers:
        raise InputError(f"--leave-out {leave_out}: there is no such speaker; there are {', '.join(speakers)}")
    known = [recording for recording in recordings if recording.speaker != leave_out]
    train = [r for r in known if r.take not in TEST and r.take not in VALIDATION]
    validation, test = ([r for r in known if r.take in part] for part in (VALIDATION, TEST))
    for part, name in ((train, "10 and above"), (validation, "5 to 9"), (test, "0 to 4")):
        if not part:
            raise InputError(f"--data-dir {data_directory}: no recording has an index of {name}: get all of them")
    tests = groups(test, settings)
    if leave_out is not None:
        others = [recording for recording in recordings if recording.speaker == leave_out]
        tests |= {f"{name} of {leave_out}, never heard": part for name, part in groups(others, settings).items()}
    return SoundCorpus(
        name="spoken-digits",
        settings=settings,
        words=WORDS,
        plan=partial(planned_epoch, train, settings, seed),
        validation=groups(validation, settings),
        tests=tests,
        notes=(f"{len(train):,} recordings to learn from, {len(validation):,} for validation, {len(test):,} to test",),
    )


def groups(recordings: Sequence[Recording], settings: FeatureSettings) -> dict[str, list[Utterance]]:
    """Each recording alone as it is, and once in a string."""
    rng = np.random.default_rng(FIXED)
    strings = [
        Utterance(joined([r.samples for r in string], gaps(len(string), rng, settings), rng), text_of(string))
        for string in strings_of(recordings, rng)
    ]
    return {"single digits": [Utterance(r.samples, WORDS[r.digit]) for r in recordings], "strings": strings}


def strings_of(recordings: Sequence[Recording], rng: np.random.Generator) -> list[list[Recording]]:
    """Each recording in one string of its speaker, in an order and of lengths that `rng` draws."""
    strings = []
    for speaker in sorted({recording.speaker for recording in recordings}):
        own = [recording for recording in recordings if recording.speaker == speaker]
        left = [own[i] for i in rng.permutation(len(own))]
        while len(left) >= FEWEST:
            count = min(len(left), int(rng.integers(FEWEST, MOST + 1)))
            if len(left) - count == 1:  # not one alone at the end
                count += 1 if count < MOST else -1
            strings.append(left[:count])
            left = left[count:]
    return strings


def text_of(string: Sequence[Recording]) -> str:
    """Its words."""
    return " ".join(WORDS[recording.digit] for recording in string)


def gaps(count: int, rng: np.random.Generator, settings: FeatureSettings) -> list[int]:
    """The samples of silence before, between and after `count` digits."""
    seconds = [rng.uniform(*EDGE), *rng.uniform(*PAUSE, count - 1), rng.uniform(*EDGE)]
    return [int(second * settings.rate) for second in seconds]


def joined(parts: Sequence[Array], pauses: Sequence[int], rng: np.random.Generator) -> Array:
    """The parts with pauses before, between and after them; faint noise everywhere."""
    pieces = [np.zeros(pauses[0], dtype=np.float32)]
    for part, pause in zip(parts, pauses[1:], strict=True):
        pieces += [part, np.zeros(pause, dtype=np.float32)]
    sound = np.concatenate(pieces)
    faint = np.float32(FAINT * np.abs(sound).max())
    return sound + faint * rng.standard_normal(len(sound), dtype=np.float32)


def planned_epoch(train: Sequence[Recording], settings: FeatureSettings, seed: int, epoch: int) -> list[PlannedSound]:
    """What is heard in an epoch: each recording alone, then in strings."""
    rng = np.random.default_rng((seed, epoch))
    strings = [[recording] for recording in train]
    for _ in range(TIMES_IN_STRINGS):
        strings += strings_of(train, rng)
    plans = []
    for number, string in enumerate(strings):
        speed = float(rng.uniform(SLOWEST, FASTEST))
        pauses = gaps(len(string), rng, settings)
        length = sum(length_at_speed(len(r.samples), speed) for r in string) + sum(pauses)
        make = partial(_altered, string, pauses, speed, (seed, epoch, number))
        plans.append(PlannedSound(length, text_of(string), make))
    return plans


def _altered(string: Sequence[Recording], pauses: Sequence[int], speed: float, key: tuple[int, ...]) -> Array:
    rng = np.random.default_rng(key)
    return with_noise(joined([at_speed(r.samples, speed) for r in string], pauses, rng), rng)
