"""Small sound corpora for tests: a folder of spoken digits whose words are notes, and runs on it that take a second."""

from pathlib import Path
from typing import Any

import numpy as np

from numpy_transformer.commands import train

RATE = 8000
SPEAKERS = ("anna", "bert")
SIZES = ["--d-model", "16", "--d-ff", "32", "--heads", "2", "--layers", "1", "--average", "2"]
STEPS = ["--batch-tokens", "512", "--warmup", "20", "--evaluate-every", "4", "--workers", "2"]


def note(frequency: float, seconds: float, rate: int = RATE) -> np.ndarray:
    """A sine of a quarter of the loudness."""
    return (0.25 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def write_sound(path: Path, samples: np.ndarray, rate: int = RATE, **options: Any) -> Path:
    """Samples (n,) or (n, channels) as a sound file."""
    import soundfile

    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, **options)
    return path


def write_digits(folder: Path, *, digits: int = 10, takes: int = 11) -> Path:
    """{digit}_{speaker}_{take}.wav: each digit is a note, each speaker an octave, each take a little longer."""
    for digit in range(digits):
        for octave, speaker in enumerate(SPEAKERS, 1):
            for take in range(takes):
                samples = note(200 * octave * 2 ** (digit / 12), 0.1 + 0.005 * take)
                write_sound(folder / f"{digit}_{speaker}_{take}.wav", samples)
    return folder


def train_with(*arguments: object) -> int:
    """train.py with these arguments."""
    return train.train(train.parse_arguments([*map(str, arguments)]))
