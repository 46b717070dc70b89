"""Numbers in sentences: 1 step, 2,000 steps, 1:00:30 left."""


def counted(count: int, noun: str) -> str:
    """A number with separators and its noun.

    >>> counted(1, "step"), counted(2000, "step")
    ('1 step', '2,000 steps')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def figure(value: float, decimals: int) -> str:
    """A number with some decimals; in short where it is huge, as the loss of a model that diverges.

    >>> figure(1.23456, 3), figure(1.5e31, 3)
    ('1.235', '1.5e+31')
    """
    return f"{value:.{decimals}f}" if abs(value) < 1e6 else f"{value:.2g}"


def clock(seconds: float) -> str:
    """A duration as minutes and seconds, with hours where there are any.

    >>> clock(95.4), clock(3630)
    ('1:35', '1:00:30')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
