"""Errors in one text of a call, and which one it is."""

from numpy_transformer.data.batching import LONGEST_SOURCE
from numpy_transformer.errors import InputError


class TextError(InputError):
    """A text cannot be translated. `number` counts the texts of the call from 1."""

    def __init__(self, number: int, reason: str) -> None:
        self.number = number
        self.reason = reason
        super().__init__(f"line {number} {reason}")

    def __reduce__(self) -> tuple[type, tuple[int, str]]:  # so that a worker process can raise it
        return TextError, (self.number, self.reason)


class OverlongError(TextError):
    """A text has too many tokens."""

    def __init__(self, number: int, tokens: int) -> None:
        super().__init__(number, f"has {tokens:,} tokens, more than {LONGEST_SOURCE:,}: split it into sentences")


class ForbiddenError(TextError):
    """The constraints forbid every translation that the search found."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "has no translation that fulfils the constraints: loosen them, or widen the beam")
