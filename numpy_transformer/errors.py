"""The one exception for every user mistake."""


class InputError(ValueError):
    """The user's input cannot be used: a file, an option, a text.

    The message is one line that names the file, the line in it if known, and the remedy.
    The programs print it to standard error without a traceback and exit with status 2
    (see `numpy_transformer.program.run_program`).
    """
