"""Measure translations: python score.py REFERENCES TRANSLATIONS ... [options]; see --help.

The program is numpy_transformer/commands/score.py.
"""

import signal
import sys

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports is no traceback

try:
    from numpy_transformer.commands.score import main
except ModuleNotFoundError as error:  # before anything was installed
    sys.exit(f"score.py: the package {error.name} is missing: pip install -r requirements.txt")

if __name__ == "__main__":
    sys.exit(main())
