"""Progress of a translation: silent at first, then lines per second and the time left, on standard error only."""

import io

import pytest

from numpy_transformer.terminal import progress
from numpy_transformer.terminal.display import PlainDisplay
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
        shown.add(["a line"])
    assert capsys.readouterr() == ("", "")


def test_a_long_one_says_how_long_it_will_take(clock, capsys):
    with TranslationProgress(100) as shown:
        for _ in range(5):
            clock.now += 2
            shown.add(["x" * 9])
        clock.now += 20
        shown.add(["ä" * 12])
        clock.now += 3600
    out, err = capsys.readouterr()
    assert out == ""
    assert err.split("\n") == [
        "3 lines, 0.5 per second, 0:14 left",  # 30 of 100 bytes in 6 seconds
        "6 lines, 0.2 per second, 0:10 left",  # 75 of 100 bytes in 30 seconds
        "6 lines in 1:00:30, 0.0 per second",
        "",
    ]


def test_of_a_pipe_the_end_is_not_known(clock, capsys):
    with TranslationProgress(None) as shown:
        clock.now += 10
        shown.add(["a line"])
    assert "1 line, 0.1 per second, 0:10 so far" in capsys.readouterr().err


def test_after_an_error_there_is_no_summary(clock, capsys):
    shown = TranslationProgress(None)
    clock.now += 10
    shown.add(["a line"])
    shown.__exit__(OSError, OSError("gone"), None)
    assert capsys.readouterr().err.count("\n") == 1


def test_what_is_under_way_counts_half(clock, capsys):
    """The first of a batch to be finished did not take all the time: the others are as good as finished, too."""
    with TranslationProgress(1000) as shown:
        clock.now += 10
        shown.add(["x" * 9], under_way=49)
        clock.now += 10
        shown.add(["x" * 9] * 24, under_way=25)
        clock.now += 10
        shown.add(["x" * 9] * 15, under_way=20)
    assert capsys.readouterr().err.split("\n")[:3] == [
        "1 line, 0.1 per second, 0:10 so far",  # one against 49: too little to tell
        "25 lines, 1.2 per second, 0:33 left",  # 25 + 25 / 2 of 100 lines in 20 seconds
        "40 lines, 1.3 per second, 0:30 left",
    ]


def test_nothing_is_told_before_something_is_done(clock, capsys):
    with TranslationProgress(1000) as shown:
        clock.now += 10
        shown.add([])
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("beside", "shown"), [(True, False), (False, True)])
def test_a_bar_does_not_cross_translations_on_the_same_terminal(beside, shown, clock, monkeypatch):
    """But with --output, standard output is free, terminal or not."""
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(progress.sys, "stdout", None)
    displays = []
    monkeypatch.setattr(progress, "_display", lambda: displays.append(PlainDisplay(io.StringIO())) or displays[-1])
    with TranslationProgress(100, beside_translations=beside) as reported:
        clock.now += 10
        reported.add(["a line"])
    assert bool(displays) == shown
