"""Progress of a translation: silent at first, then lines per second and the time left, on standard error only."""

import pytest

from numpy_transformer.terminal import progress
from numpy_transformer.terminal.progress import TranslationProgress


class Clock:
    """A clock that the test turns."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock.monotonic)
    return clock


def test_a_quick_translation_says_nothing(clock, capsys):
    with TranslationProgress(100) as shown:
        clock.now += 4.9
        shown.add("a line")
    assert capsys.readouterr() == ("", "")


def test_a_long_one_says_how_long_it_will_take(clock, capsys):
    with TranslationProgress(100) as shown:
        for _ in range(5):
            clock.now += 2
            shown.add("x" * 9)
        clock.now += 20
        shown.add("ä" * 12)
        clock.now += 3600
    out, err = capsys.readouterr()
    assert out == ""
    assert err.split("\n") == [
        "3 line(s), 0.5 per second, 0:14 left",  # 30 of 100 bytes in 6 seconds
        "6 line(s), 0.2 per second, 0:10 left",  # 75 of 100 bytes in 30 seconds
        "6 line(s) in 1:00:30, 0.0 per second",
        "",
    ]


def test_of_a_pipe_the_end_is_not_known(clock, capsys):
    with TranslationProgress(None) as shown:
        clock.now += 10
        shown.add("a line")
    assert "1 line(s), 0.1 per second, 0:10 so far" in capsys.readouterr().err


def test_after_an_error_there_is_no_summary(clock, capsys):
    shown = TranslationProgress(None)
    clock.now += 10
    shown.add("a line")
    shown.__exit__(OSError, OSError("gone"), None)
    assert capsys.readouterr().err.count("\n") == 1
