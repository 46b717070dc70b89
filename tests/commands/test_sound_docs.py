"""The page about sound: its Python runs, and its numbers are the program's."""

import re
from pathlib import Path

import pytest
from small_sounds import note, write_sound

from numpy_transformer.data.sound import digit_strings, tones
from numpy_transformer.data.sound.features import FeatureSettings
from numpy_transformer.tasks.transcription import Sound, Transcriber, Transcript

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sound.md").read_text(encoding="utf-8")
FILTERS, MODEL, TRANSCRIBING = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_filter_bank_is_drawn(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(FILTERS, {})
    assert (tmp_path / "sound_filters.png").read_bytes().startswith(b"\x89PNG")


def test_the_model_gives_loss_and_gradients():
    names = {}
    exec(MODEL, names)
    assert names["loss"] > 0
    assert names["gradients"].tree.feature_projection.weight.any()


class Heard(Transcriber):
    """Reads the file; what it says is made up."""

    def __init__(self):
        self.settings = FeatureSettings()

    def transcribe(self, features, **options):
        return [Transcript("one", [5], -0.1) for _ in features]

    def attention(self, features, ids):
        return features[: len(ids) + 1]


def test_a_file_is_transcribed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Transcriber, "load", lambda path: Heard())
    write_sound(tmp_path / "FILE.wav", note(440, 0.5))
    names = {}
    exec(TRANSCRIBING, names)
    assert isinstance(names["sound"], Sound)
    assert names["transcript"].text == "one"


@pytest.mark.parametrize(
    "said",
    [
        "frames of 25 ms, a new one every 10 ms",
        "A second of sound is 25 vectors",
        f"one vector of {FeatureSettings().size} numbers",
        f"the frequencies into {FeatureSettings().pitches} pitches",
        "pauses of {} to {} seconds".format(*digit_strings.PAUSE),
        "noise ({:.0f} to {:.0f} dB below the tones)".format(*tones.NOISE),
    ],
)
def test_its_numbers_are_the_programs(said):
    settings = FeatureSettings()
    assert (settings.window, settings.step) == (0.025 * settings.rate, 0.010 * settings.rate)
    assert settings.seconds * 25 == 1
    assert said in " ".join(PAGE.split())
