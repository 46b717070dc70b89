"""The Free Spoken Digit Dataset (Jackson 2016-2020): 3,000 recordings of the words zero to nine by six speakers.

Files are named {digit}_{speaker}_{index}.wav, at 8,000 samples a second. Recordings 0 to 4 of each digit and speaker
are its official test set; here, 5 to 9 are for validation and the rest for training. It comes from
github.com/Jakobovski/free-spoken-digit-dataset, licence CC BY-SA 4.0.
"""

import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from numpy_transformer.backend.arrays import Array
from numpy_transformer.data.sound.audio_file import read_samples
from numpy_transformer.errors import InputError

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
ARCHIVES = ("recordings.tar.xz", "recordings.tar.gz", "recordings.tar")
NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav")
TEST, VALIDATION = range(5), range(5, 10)  # indices
LONGEST = 10.0  # seconds of a recording
URL = "https://github.com/Jakobovski/free-spoken-digit-dataset"


class Recording(NamedTuple):
    """One word, once said."""

    digit: int
    speaker: str
    take: int  # the index in the file's name
    samples: Array  # (n,) float32


def read_recordings(data_directory: str | Path | None, rate: int) -> list[Recording]:
    """All recordings, in the order of their names.

    `data_directory` holds the wav files, a folder recordings with them, or recordings.tar.xz, itself or in its folder
    spoken-digits. Raises InputError naming the remedy if it does not, or a file cannot be read.
    """
    if data_directory is None:
        raise InputError(
            f"--data spoken-digits needs its recordings: git clone {URL}, then add --data-dir "
            "free-spoken-digit-dataset/recordings"
        )
    found = []
    for name, content in _files(Path(data_directory)):
        match = NAME.fullmatch(name.rpartition("/")[2])
        if match is None:
            continue
        samples = read_samples(content, rate, longest=LONGEST, name=name)
        found.append(Recording(int(match[1]), match[2], int(match[3]), samples))
    if not found:
        raise InputError(
            f"--data-dir {data_directory}: holds no recordings named like 7_theo_12.wav, nor {ARCHIVES[0]}: "
            f"get them from {URL}"
        )
    return sorted(found, key=lambda recording: recording[:3])


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of the wav files."""
    places = [folder, folder / "recordings", folder / "spoken-digits", folder / "spoken-digits" / "recordings"]
    for place in places:
        names = sorted(place.glob("*.wav"))
        if names:
            yield from ((str(name), name.read_bytes()) for name in names)
            return
    for place in places:
        for archive in (place / name for name in ARCHIVES):
            if archive.is_file():
                yield from _archived(archive)
                return


def _archived(archive: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() and member.name.endswith(".wav") else None
                if file is not None:
                    yield f"{archive}/{member.name}", file.read()
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise InputError(f"{archive}: is damaged or no archive ({error}): get it again from {URL}") from None
