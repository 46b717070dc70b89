"""Fill in masked words: python -m numpy_transformer.fill "The dog [mask] the cat."; see --help."""

import sys

from numpy_transformer.commands.read_text import fill
from numpy_transformer.program import run_program

if __name__ == "__main__":
    sys.exit(run_program(fill))
