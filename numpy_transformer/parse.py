"""Draw or print the syntax tree of a sentence: python -m numpy_transformer.parse TEXT ...; see --help."""

import sys

from numpy_transformer.commands.parse_text import main
from numpy_transformer.program import run_program

if __name__ == "__main__":
    sys.exit(run_program(main))
