"""Measure translations: python score.py REFERENCES TRANSLATIONS ... [options]; see --help.

The program is numpy_transformer/commands/score.py.
"""

import sys

try:
    from numpy_transformer.commands.score import main
except ModuleNotFoundError as error:  # before anything was installed
    sys.exit(f"score.py: the package {error.name} is missing: pip install -r requirements.txt")

if __name__ == "__main__":
    sys.exit(main())
