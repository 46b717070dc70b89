"""What to install for --device gpu, by the driver, the CuPy and the kind of installation that are really there."""

import ctypes
import importlib.metadata
import re
from typing import NamedTuple

from numpy_transformer.program import install_command

CUPY_NAME = re.compile(r"cupy(-cuda\w+|-rocm[\w-]+)?")  # the packages that bring the module cupy
DRIVER_LIBRARIES = ("libcuda.so.1", "nvcuda.dll")
OLDEST_CUDA = 12
CUDA_13_WHEEL = "cupy-cuda13x[ctk]>=14.0"


class Cuda(NamedTuple):
    """A version of CUDA."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"CUDA {self.major}.{self.minor}"


def driver_cuda() -> Cuda | None:
    """The newest CUDA that the installed NVIDIA driver runs; None without a driver."""
    for name in DRIVER_LIBRARIES:
        number = ctypes.c_int()
        try:
            status = ctypes.CDLL(name).cuDriverGetVersion(ctypes.byref(number))
        except (OSError, AttributeError):
            continue
        if status == 0 and number.value:
            return Cuda(number.value // 1000, number.value % 1000 // 10)
    return None


def installed_cupy() -> list[str]:
    """The packages of CuPy that pip knows: at most one may be installed."""
    names = {str(one.metadata["Name"]).lower() for one in importlib.metadata.distributions()}
    return sorted(name for name in names if CUPY_NAME.fullmatch(name))


def how_to_install() -> str:
    """The command that installs the right CuPy; before it, the one that removes those that are there."""
    driver, there = driver_cuda(), installed_cupy()
    install = f'pip install "{CUDA_13_WHEEL}"' if driver is not None and driver.major > 12 else install_command("gpu")
    has = f"the driver is for {driver}: " if driver is not None else ""
    if there:
        return f"{has}exchange the installed CuPy with: pip uninstall {' '.join(there)}, then: {install}"
    return f"{has}install it with: {install}"


def how_to_complete() -> str:
    """The command that adds CUDA's libraries, compiler and headers to the CuPy that is there."""
    there = installed_cupy()
    if len(there) == 1 and there[0].startswith("cupy-cuda"):
        return f'install CUDA\'s libraries and headers with: pip install "{there[0]}[ctk]"'
    return how_to_install()


def driver_remedy() -> str:
    """What to do when the driver is too old for the CuPy that is installed."""
    driver = driver_cuda()
    if driver is None:
        return f"the NVIDIA driver is missing or too old: install a driver for CUDA {OLDEST_CUDA} or newer"
    if driver.major < OLDEST_CUDA:
        return f"the NVIDIA driver is for {driver}: install a driver for CUDA {OLDEST_CUDA} or newer"
    return f"this CuPy is for a newer driver; {how_to_install()}"


def reason_of(error: BaseException) -> str:
    """The first line of what went wrong. CuPy wraps the cause of a failed import in a page of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines()]
    return next(filter(None, lines), type(error).__name__)
