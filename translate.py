"""Translate text with a trained model: python translate.py [TEXT ...] [options]; see --help.

The program is numpy_transformer/commands/translate.py.
"""

import sys

try:
    from numpy_transformer.commands.translate import main
except ModuleNotFoundError as error:  # before anything was installed
    sys.exit(f"translate.py: the package {error.name} is missing: pip install -r requirements.txt")

if __name__ == "__main__":
    sys.exit(main())
