"""The one exception that this package raises for bad input."""


class TokenizerError(ValueError):
    """The tokenizer was given invalid input; the message says what is wrong, where, and how to fix it."""
