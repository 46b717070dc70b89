"""The samples of a sound file, at the rate that a model hears.

`soundfile` reads WAV, FLAC, OGG and MP3. Several channels are averaged to one. A file of another rate is resampled by
`soxr`: a model that learned from 8,000 samples a second takes 16,000 for a voice half as fast.
"""

import io
from pathlib import Path

import numpy as np

from numpy_transformer.backend.arrays import Array
from numpy_transformer.errors import InputError
from numpy_transformer.storage.atomic import atomic_write

SHORTEST = 0.02  # seconds
SILENT = 1e-4  # of the largest possible sample: below it, a recording holds nothing that could be heard


def read_samples(file: str | Path | bytes, rate: int, *, longest: float, name: str | None = None) -> Array:
    """The samples (n,) of a sound file, float32 from -1 to 1, at `rate` a second.

    `file` may be its content, with `name` for messages. Raises InputError naming file and remedy for what is no sound,
    lasts more than `longest` seconds, or is silent; the length is looked at before the samples are read.
    """
    import soundfile

    name = str(file) if name is None else name
    try:
        with soundfile.SoundFile(io.BytesIO(file) if isinstance(file, bytes) else str(file)) as opened:
            seconds = opened.frames / opened.samplerate
            if seconds > longest:
                raise InputError(
                    f"{name}: lasts {seconds:,.1f} s; a model takes at most {longest:,.1f} s: cut it into pieces"
                )
            samples, its_rate = opened.read(dtype="float32", always_2d=True), opened.samplerate
    except (soundfile.LibsndfileError, OSError) as error:
        if not isinstance(file, bytes) and not Path(file).is_file():
            reason = "is a folder: name the files in it" if Path(file).is_dir() else "no such file"
            raise InputError(f"{name}: {reason}") from None
        reason = str(getattr(error, "error_string", error)).rstrip(".")
        raise InputError(f"{name}: is not a sound file ({reason}): give a WAV, FLAC or OGG file") from None
    if len(samples) < SHORTEST * its_rate:
        raise InputError(f"{name}: holds {len(samples)} samples, which is too short to hear: give a longer recording")
    mono = samples.mean(axis=1)
    if not np.isfinite(mono).all():
        raise InputError(f"{name}: holds samples that are not finite numbers: record or convert it again")
    if np.abs(mono - mono.mean()).max() < SILENT:
        raise InputError(f"{name}: is silent: record it again, nearer to the microphone")
    if its_rate == rate:
        return mono
    import soxr

    return soxr.resample(mono, its_rate, rate)


def write_wav(path: Path, samples: Array, rate: int) -> None:
    """Samples (n,) from -1 to 1 as a WAV file of 16 bits, which appears complete or not at all."""
    import soundfile

    content = io.BytesIO()
    soundfile.write(content, samples, rate, format="WAV", subtype="PCM_16")
    with atomic_write(path) as file:
        file.write(content.getvalue())
