"""What a model listens to as a picture: the spectrogram of a sound, and under it where each word of the text looks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.sound.features import FeatureSettings
from numpy_transformer.data.sound.mel import mel_corners
from numpy_transformer.errors import InputError
from numpy_transformer.storage.atomic import atomic_write

PITCH_LABELS = 5
MOST_WORDS = 100


def check_picture(path: str | Path) -> None:
    """Raises InputError unless `path` ends with .png."""
    if Path(path).suffix.lower() != ".png":
        raise InputError(f"{path}: the attention to a sound is drawn as .png: give a name that ends so")


def save_sound_picture(
    path: str | Path, spectrogram: Array, settings: FeatureSettings, *, words: Sequence[str], weights: Array
) -> None:
    """Write the picture: spectrogram (frames, pitches), above the attention weights (T, S) of T words to S positions.

    The file appears complete or not at all. Raises InputError for another ending, or for more words than can be read.
    """
    check_picture(path)
    if len(words) > MOST_WORDS:
        raise InputError(f"attention of {len(words):,} words cannot be drawn, only up to {MOST_WORDS}: cut the sound")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    end = weights.shape[1] * settings.seconds
    figure = Figure((8, 2.4 + max(1.2, 0.24 * len(words))), layout="constrained", dpi=110)
    FigureCanvasAgg(figure)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[2.4, max(1.2, 0.24 * len(words))])

    heard = len(spectrogram) * settings.step / settings.rate
    pitches = settings.pitches
    upper.imshow(spectrogram.T, origin="lower", aspect="auto", cmap="magma", extent=(0, heard, 0, pitches))
    peaks = mel_corners(pitches, settings.rate)[1:-1]
    marked = np.linspace(0, pitches - 1, PITCH_LABELS).round().astype(int)
    upper.set_yticks(marked + 0.5, [f"{peaks[i]:,.0f} Hz" for i in marked], fontsize=8)
    upper.set_title("What is heard: the strength of each pitch", fontsize=10, loc="left")

    extent = (0, end, len(words) - 0.5, -0.5)
    lower.imshow(weights, aspect="auto", cmap="Blues", vmin=0, extent=extent, interpolation="nearest")
    lower.set_yticks(range(len(words)), words, fontsize=9, parse_math=False)
    lower.set_title(
        "Where each word looks: cross-attention, the mean of the last layers' heads", fontsize=10, loc="left"
    )
    lower.set_xlabel("seconds", fontsize=9)
    lower.set_xlim(0, end)
    for axes in (upper, lower):
        axes.tick_params(length=0, labelsize=8)
        axes.spines[:].set_color("0.8")
    with atomic_write(path) as file:
        figure.savefig(file, format="png")
