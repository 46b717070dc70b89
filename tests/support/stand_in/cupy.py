"""`import cupy` on a machine without a card: with this folder and tests/ on PYTHONPATH a program runs on the stand-in.

PYTHONPATH=tests/support/stand_in:tests/support:. python train.py --device gpu
"""

import sys

import strict_gpu

sys.modules[__name__] = strict_gpu
