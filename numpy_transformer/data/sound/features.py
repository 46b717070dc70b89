"""From samples to the vectors that a model hears: the log-mel spectrogram, neighbouring frames joined.

    frames      pieces of 25 ms, a new one every 10 ms, each faded in and out by a Hann window
    power       |Fourier transform|^2 of each: how strong each frequency is
    mel         the power of each of 40 pitches (mel.py)
    log         loudness as ears perceive it: equal ratios are equal steps
    range       everything more than 60 dB below the recording's loudest pitch counts as silence; then from -2 to 2,
                so that the same sound from farther away has nearly the same features
    stacking    8 neighbouring frames become one vector of 320 numbers, a new one every 4 frames

Attention compares every position with every other: four times fewer positions cost a sixteenth of that. The linear
layer that reads the stacked vectors is a convolution over time of width 8 and step 4. That they overlap spares the
model from learning each sound anew for every place at which a vector may cut it.
"""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.sound.mel import mel_filter_bank
from numpy_transformer.errors import InputError
from numpy_transformer.storage.text_files import read_json

SPAN = 6 * math.log(10)  # 60 dB in natural logarithms of power
SCALE = 4 / SPAN  # to a range of 4, from SILENCE to 2
SILENCE = -2.0  # what a pitch is that is not heard
FAINTEST = 1e-10  # power, so that the logarithm of digital silence is finite


@dataclass(frozen=True, kw_only=True)
class FeatureSettings:
    """How a model hears; what it has learned belongs to these numbers. Raises InputError for impossible ones."""

    rate: int = 8000  # samples a second
    window: int = 200  # samples of a frame: 25 ms
    step: int = 80  # samples from frame to frame: 10 ms
    transform: int = 256  # samples of a Fourier transform: the frame and zeros
    pitches: int = 40  # mel filters
    stacked: int = 8  # frames in one vector
    stride: int = 4  # frames from vector to vector

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f"{name} is {value!r}; it must be a whole number of at least 1")
        if self.window > self.transform:
            raise InputError(f"window is {self.window}; it must be at most transform ({self.transform})")
        if self.stride > self.stacked:
            raise InputError(f"stride is {self.stride}; it must be at most stacked ({self.stacked})")

    @property
    def size(self) -> int:
        """Numbers in one vector."""
        return self.pitches * self.stacked

    @property
    def seconds(self) -> float:
        """From one vector to the next."""
        return self.stride * self.step / self.rate

    def frames(self, samples: int) -> int:
        """How many frames so many samples have; the last one may be filled up with zeros."""
        return max(1, -(-(samples - self.window) // self.step) + 1)

    def positions(self, samples: int) -> int:
        """How many vectors so many samples become."""
        return -(-self.frames(samples) // self.stride)

    @classmethod
    def read(cls, file: Path) -> "FeatureSettings":
        """From a run's file. Raises InputError naming it."""
        values: dict[str, Any] = read_json(file)
        try:
            return cls(**values)
        except (InputError, TypeError) as error:
            raise InputError(f"{file}: does not hold the settings of sound features ({error})") from None


def log_mel(samples: Array, settings: FeatureSettings) -> Array:
    """The spectrogram: samples (n,) -> (frames, pitches), float32, from SILENCE to 2, the loudest."""
    count = settings.frames(len(samples))
    whole = np.zeros((count - 1) * settings.step + settings.window, dtype=np.float32)
    whole[: len(samples)] = samples
    frames = np.lib.stride_tricks.sliding_window_view(whole, settings.window)[:: settings.step]
    spectrum = np.fft.rfft(frames * np.hanning(settings.window).astype(np.float32), settings.transform)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    mel = power @ mel_filter_bank(settings.pitches, settings.transform, settings.rate)
    loudness = np.log(np.maximum(mel, FAINTEST))
    return SCALE * np.maximum(loudness - loudness.max(), -SPAN) + 2


def stack_frames(frames: Array, settings: FeatureSettings) -> Array:
    """(frames, pitches) -> (positions, size): vector p is the `stacked` frames around those of its own stride.

    There is silence before the first frame and after the last.
    """
    before = (settings.stacked - settings.stride) // 2
    positions = -(-len(frames) // settings.stride)
    after = (positions - 1) * settings.stride + settings.stacked - before - len(frames)
    filled = np.pad(frames, ((before, after), (0, 0)), constant_values=SILENCE)
    windows = np.lib.stride_tricks.sliding_window_view(filled, settings.stacked, axis=0)[:: settings.stride]
    return windows.swapaxes(1, 2).reshape(positions, settings.size)


def features_of(samples: Array, settings: FeatureSettings) -> Array:
    """samples (n,) -> (positions, size): what takes the place of a sentence's embedded tokens."""
    return stack_frames(log_mel(samples, settings), settings)
