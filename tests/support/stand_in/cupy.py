"""`import cupy` on a machine without a card: with this folder and tests/ on PYTHONPATH a program runs on the stand-in.

PYTHONPATH=tests/support/stand_in:tests/support:. python train.py --device gpu
"""

import sys

import strict_cuda
import strict_gpu
import strict_nccl

sys.modules[__name__] = strict_gpu
sys.modules[f"{__name__}.cuda"] = strict_cuda
sys.modules[f"{__name__}.cuda.nccl"] = strict_nccl
