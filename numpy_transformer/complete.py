"""Go on with a text: python -m numpy_transformer.complete "PROMPT" [options]; see --help."""

import sys

from numpy_transformer.commands.complete_text import main
from numpy_transformer.program import run_program

if __name__ == "__main__":
    sys.exit(run_program(main))
