"""The one exception for everything a user can get wrong."""


class InputError(ValueError):
    """What the user gave cannot be used: a file, an option, a text.

    The message is one line that names the file, the line in it where that is known, and the remedy.
    The programs print it to standard error without a traceback and exit with status 2
    (see `numpy_transformer.program.run_program`).
    """
