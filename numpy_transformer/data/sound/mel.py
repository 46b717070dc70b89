"""The mel filter bank: a spectrum of many frequencies becomes the strengths of some dozens of pitches.

Ears tell 200 Hz from 300 Hz easily, and 3,200 Hz from 3,300 Hz hardly. The mel scale (Stevens, Volkmann and Newman
1937; this formula: O'Shaughnessy 1987) has steps that sound equally large, and so narrow ones at low frequencies:

    mel(f) = 2595 log10(1 + f / 700)                 mel(1000 Hz) is about 1000

M + 2 points at equal distances in mel are the corners of M triangles. Filter m rises from 0 at corner m to 1 at corner
m + 1 and falls to 0 at corner m + 2, so that each frequency between the first and the last peak is divided between two
neighbours:

    bank[k, m] = max(0, min((f_k - c_m) / (c_(m+1) - c_m),  (c_(m+2) - f_k) / (c_(m+2) - c_(m+1))))
    strength of pitch m = sum_k power[k] bank[k, m]

where f_k = k * rate / N are the N // 2 + 1 frequencies of a Fourier transform of N samples. docs/sound.md draws them.
"""

from functools import lru_cache

import numpy as np

from numpy_transformer.backend.arrays import Array


def mel_of_hertz(frequency: Array | float) -> Array:
    """Hertz to mel."""
    return 2595 * np.log10(1 + np.asarray(frequency) / 700)


def hertz_of_mel(mel: Array | float) -> Array:
    """Mel to hertz."""
    return 700 * (10 ** (np.asarray(mel) / 2595) - 1)


def mel_corners(pitches: int, rate: int) -> Array:
    """(M + 2,) in hertz: the corners of the triangles, from 0 to half the sampling rate."""
    return hertz_of_mel(np.linspace(0, mel_of_hertz(rate / 2), pitches + 2))


@lru_cache(maxsize=8)
def mel_filter_bank(pitches: int, transform: int, rate: int) -> Array:
    """(N // 2 + 1, M): the weight of each frequency of a transform of N samples in each of M pitches; float32."""
    frequencies = np.arange(transform // 2 + 1) * rate / transform
    corners = mel_corners(pitches, rate)
    low, peak, high = corners[:-2], corners[1:-1], corners[2:]
    rising = (frequencies[:, None] - low) / (peak - low)
    falling = (high - frequencies[:, None]) / (high - peak)
    bank = np.maximum(0, np.minimum(rising, falling)).astype(np.float32)
    bank.setflags(write=False)  # shared by all callers
    return bank
