"""How exactly a GPU multiplies matrices: float32, TF32 or bfloat16 operands, always with float32 sums.

Only matrix products know about it. Parameters, moments, gradients, reductions and everything elementwise are float32
in each case. The precision belongs to a model, which sets it around its training steps; evaluation and translation are
float32 unless their caller does the same:

    with precision("bfloat16"):
        ...every matmul (layers/arithmetic.py) of float32 arrays on a GPU
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType

import numpy as np

from numpy_transformer.errors import InputError

# Bits of an operand's mantissa that count, the hidden one included.
PRECISIONS = {"float32": 24, "tf32": 11, "bfloat16": 8}
TENSOR_CORES_FROM = 80  # compute capability 8.0, Ampere, is the first with TF32 and bfloat16

_current: ContextVar[str] = ContextVar("precision", default="float32")


@contextmanager
def precision(name: str) -> Iterator[None]:
    """Matrix products of float32 arrays on a GPU run in this precision inside the with statement, in this thread."""
    token = _current.set(name)
    try:
        yield
    finally:
        _current.reset(token)


def current_precision() -> str:
    """The name of the precision in force: "float32", "tf32" or "bfloat16"."""
    return _current.get()


def check_precision(name: str, xp: ModuleType) -> None:
    """Raises InputError for a precision that is unknown, or not supported on this device."""
    if name not in PRECISIONS:
        raise InputError(f"precision is {name!r}; it must be one of {', '.join(PRECISIONS)}")
    if name == "float32":
        return
    if xp is np:
        raise InputError(f"--precision {name} needs --device gpu: a CPU computes in float32")
    capability = xp.cuda.Device().compute_capability  # "90" is 9.0
    if int(capability) < TENSOR_CORES_FROM:
        raise InputError(
            f"--precision {name} needs a card of compute capability 8.0 or newer (Ampere); "
            f"this one has {capability[:-1]}.{capability[-1]}: use --precision float32"
        )
