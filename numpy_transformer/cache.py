"""List and remove the texts that were prepared for training: python -m numpy_transformer.cache; see --help."""

import sys

from numpy_transformer.commands.prepared_texts import main
from numpy_transformer.program import run_program

if __name__ == "__main__":
    sys.exit(run_program(main))
