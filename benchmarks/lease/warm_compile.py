"""One step of PyTorch's compiled side of gpu_training.py, filling its compiler's cache while others use the card."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import gpu_training


def main() -> None:
    side, _ = gpu_training.prepare(gpu_training.parse_options(["--side", "PyTorch bfloat16 compiled"]))
    side.step(0)
    side.finish()
    print("compiled")


if __name__ == "__main__":
    main()
