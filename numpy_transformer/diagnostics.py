"""What the trainer says about the machine it runs on, and about gradients that are not finite."""

import numpy as np

from numpy_transformer.backend import Array, to_host
from numpy_transformer.model import Transformer


def nonfinite_report(model: Transformer, gradients: Array) -> list[str]:
    """One line for each parameter whose gradient is not finite, in the order of the model."""
    lines = []
    named = model.parameters.view(to_host(gradients), model.parameters.tree).named()
    for (name, values), (_, gradient) in zip(model.parameters.named(), named, strict=True):
        bad = int((~np.isfinite(gradient)).sum())
        if bad:
            largest = float(abs(values).max())
            lines.append(f"  {name}: {bad} of {gradient.size} gradients not finite; largest weight {largest:.3g}")
    return lines


def blas_description() -> str:
    """The BLAS library, the kernel it chose for this processor, and its version."""
    from threadpoolctl import threadpool_info

    for info in threadpool_info():
        if info["user_api"] == "blas":
            return f"{info['internal_api']} {info['version']}, {info.get('architecture', 'unknown')} kernels"
    return "unknown BLAS"
