"""Write a trained model for another program: python -m numpy_transformer.export --to FORMAT RUN OUT; see --help."""

import sys

from numpy_transformer.commands.export_model import main
from numpy_transformer.program import run_program

if __name__ == "__main__":
    sys.exit(run_program(main))
