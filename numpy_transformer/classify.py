"""Say what class a text is of: python -m numpy_transformer.classify TEXT ...; see --help."""

import sys

from numpy_transformer.commands.read_text import classify
from numpy_transformer.program import run_program

if __name__ == "__main__":
    sys.exit(run_program(classify))
