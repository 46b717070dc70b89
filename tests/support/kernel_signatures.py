"""The kernels in a CUDA source and the types of their parameters, as text."""

import re

PARAMETER = re.compile(r"(?:const )?(.+?) (\*?)\w+")
SIGNATURE = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')


def signatures_in(text: str) -> list[tuple[str, str]]:
    """(name, parameters) of each kernel."""
    return SIGNATURE.findall(text)


def kinds_of(parameters: str) -> list[tuple[str, str]]:
    """(type, "*" for a pointer) of each parameter."""
    return [PARAMETER.fullmatch(" ".join(parameter.split())).groups() for parameter in parameters.split(",")]
