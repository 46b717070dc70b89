"""Learn a shortlist for the model of a run: python -m numpy_transformer.shortlist RUN; see --help."""

import sys

from numpy_transformer.program import run_program
from numpy_transformer.translation.lexicon import main

if __name__ == "__main__":
    sys.exit(run_program(main))
