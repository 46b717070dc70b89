"""Learn a shortlist for the model of a run: python -m numpy_transformer.shortlist RUN; see --help."""

import sys

from numpy_transformer.commands.learn_shortlist import main
from numpy_transformer.program import run_program

if __name__ == "__main__":
    sys.exit(run_program(main))
