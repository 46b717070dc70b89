"""The one exception that this package raises for bad input."""


class TokenizerError(ValueError):
    """Something handed to the tokenizer is wrong; the message says what, where and how to mend it."""
